// SPDX-License-Identifier: GPL-2.0
// Java: Selector.wakeup() writes to the selector's eventfd. Two threads wake each other in turn;
// each sleeps in select() until it is its turn, and has nothing to do when it is not.
import java.nio.channels.Selector;
import java.util.concurrent.TimeUnit;

public class Selectors {
	static final int TURNS = 300;
	static volatile int turn;

	static void check(boolean right, String what)
	{
		if (!right) {
			System.err.println(what);
			System.exit(1);
		}
	}

	static void play(Selector mine, Selector other, int first)
	{
		try {
			for (int i = first; i < TURNS; i += 2) {
				while (turn != i) {
					long begun = System.nanoTime();
					check(mine.select(60000) == 0, "a channel is ready, and there is none");
					check(System.nanoTime() - begun < TimeUnit.SECONDS.toNanos(59),
					      "nothing woke turn " + i);
				}
				turn = i + 1;
				other.wakeup();
			}
		} catch (Exception e) {
			check(false, e.toString());
		}
	}

	public static void main(String[] args) throws Exception
	{
		Selector a = Selector.open(), b = Selector.open();
		Thread other = new Thread(() -> play(b, a, 1));

		other.start();
		play(a, b, 0);
		other.join();
		check(turn == TURNS, turn + " turns");

		// Many wakeups before a select are one, and that is gone after it.
		a.selectNow();
		for (int i = 0; i < 10; i++)
			a.wakeup();
		check(a.select(60000) == 0, "a channel is ready, and there is none");
		long begun = System.nanoTime();
		a.select(200);
		check(System.nanoTime() - begun >= TimeUnit.MILLISECONDS.toNanos(199), "woken twice by one wakeup");
		a.close();
		b.close();
		System.out.println(TURNS + " turns of two selectors");
	}
}
