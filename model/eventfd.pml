/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wake protocol of fs/eventfd.c, small enough for spin to try every order in
 * which things can happen. README.md beside this says what the parts stand for.
 *
 * One lock protects the counter, the sleepers, and the queue of pollers. Without it,
 * pollers and nonblocking readers look at the counter, sleepers go to sleep and get up, signals arrive, and
 * the deferred work takes what is owed. All of that interleaves freely.
 *
 * Every task has a few operations, may stop before any of them, and retries nothing:
 * every execution ends, and what has to happen sooner or later has happened when
 * nothing can move any more ("at rest"). That they do end is checked as well.
 *
 * The configuration, by -D:
 *	SEMAPHORE		a read takes 1; otherwise all
 *	START=n			the count at first
 *	READERS READS		tasks that read and sleep; reads of each
 *	WRITERS WRITES		tasks that write and sleep; they add 1, 2, 1, ...
 *	WRITER_2, WRITER_0	they add 2, 1, 2, ...; or 2, 0, 0, ...
 *	THIEVES THEFTS		newcomers that read and never sleep
 *	SIGNALS SIGNAL_BY	signals from the kernel, each of that much
 *	KILLS			signals to tasks that read or write
 *	IN_POLLERS OUT_POLLERS	tasks in poll(), for EPOLLIN or for EPOLLOUT
 *	CONSUMER=1		a callback that drains the counter; 2: it also ends the walk;
 *				3: it does so whatever it is told
 *	DETACH			which is removed at some time
 *	NESTED			a callback that signals this eventfd, so many times in all
 *	ELSEWHERE=n		as many more signals, from callbacks of another eventfd
 *	OWED_MAX		how much can be owed
 *	EDGE			a task with EPOLLET, that reads until EAGAIN
 *	ELSEWHERE=n		as many more signals, from callbacks of another eventfd
 *	OWED_MAX		how much can be owed
 *	EDGE			a task with EPOLLET, that reads until EAGAIN
 *	EXCLUSIVE		a poller with EPOLLEXCLUSIVE is on the queue
 *
 * A fault, by -DFAULT_x (SYMPTOMS turns off the rules that look inside, so that it shows
 * by the harm that it does to a caller):
 *	ONE_QUEUE		sleepers behind the pollers; an exclusive one ends the walk
 *	POLL_LOOKS_FIRST	poll reads the counter before it joins the queue
 *	TOLD_FIRST		pollers are told before the counter has changed
 *	TORN			the counter is read in two halves, without the lock
 *	EMPTY_UNLOCKED		a reader sleeps because of a zero it saw without the lock
 *	KEEPS_WAKEUP		a woken reader leaves on a signal, though it could proceed
 *	STAYS_WOKEN		a woken reader leaves on a signal without woken--
 *	ONLY_FROM_ZERO		readers are woken only if the count was zero before
 *	TAKEN_AT_WAKE		taken is cleared when the wakeups begin
 *	TAKEN_LATE		taken is cleared after the pass over the writers
 *	DRAIN_NOT_SEEN		taken is not set when a callback has drained
 *	FIRST_STOPS		a writer that does not fit ends the pass
 *	AT_THE_END		everyone joins the ring at its end
 *	LEFT_BEHIND		a reader that was not woken takes, and stays in the ring
 *	DRAIN_UNTOLD		pollers are not told that a callback has made room
 *	ROOM_LATE		"full" is tested after the callback has drained
 *	ROOM_AT_MAX		"full" is ULLONG_MAX only
 *	ROOM_OR_SIGNAL		of a signal and room that are owed, only the signal is delivered
 *	ONLY_TOLD		the work that tells of room does not look at sleepers after that
 *	STATE_LATE		set_current_state() after the lock was dropped
 *	SIGNAL_UNSEEN		TASK_UNINTERRUPTIBLE
 *	SERVED_LOST		a reader that was served leaves on a signal
 *	NOT_HANDED		a reader that has lost is woken, not handed the value
 *	HERD			all readers are woken
 *	HANDED_UNTOLD		no EPOLLOUT for what was handed over
 *	WOKEN_TOLD		an EPOLLIN for waking a task
 *	NESTED_DROPPED		signals from callbacks are dropped
 *	OWED_TWICE		what is owed is cleared after it was delivered
 *	OWED_FIRST		what is owed is taken while it is still on the list
 *	OWED_WRAPS		what is owed wraps
 */
#ifndef START
#define START 0
#endif
#ifndef READERS
#define READERS 0
#endif
#ifndef READS
#define READS 1
#endif
#ifndef WRITERS
#define WRITERS 0
#endif
#ifndef WRITES
#define WRITES 1
#endif
#ifndef THIEVES
#define THIEVES 0
#endif
#ifndef THEFTS
#define THEFTS 1
#endif
#ifndef SIGNALS
#define SIGNALS 0
#endif
#ifndef SIGNAL_BY
#define SIGNAL_BY 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef IN_POLLERS
#define IN_POLLERS 0
#endif
#ifndef OUT_POLLERS
#define OUT_POLLERS 0
#endif
#ifndef CONSUMER
#define CONSUMER 0
#endif
#ifndef NESTED
#define NESTED 0
#endif
#ifndef ELSEWHERE
#define ELSEWHERE 0
#endif
#ifndef OWED_MAX
#define OWED_MAX 3
#endif
#ifdef EDGE
#define EDGES 1
#else
#define EDGES 0
#endif
#ifndef ELSEWHERE
#define ELSEWHERE 0
#endif
#ifndef OWED_MAX
#define OWED_MAX 3
#endif
#ifdef EDGE
#define EDGES 1
#else
#define EDGES 0
#endif

#define TASKS	(READERS + WRITERS)	/* readers have the first numbers, then writers */
#define POLLERS	(IN_POLLERS + OUT_POLLERS)
#define NOBODY	255

/* ------------------------------------------------------------------ the counter */

#define MAX	3			/* ULLONG_MAX: only the kernel's signals reach it */

byte count = START;			/* also read without the lock */

#define readable	(count > 0)		/* EPOLLIN */
#define space		(MAX - count)
#define has_room(n)	((n) < space)
#define writable	(count < MAX - 1)	/* EPOLLOUT */

#ifdef SEMAPHORE
#define portion		(count > 0)	/* what one read takes */
#define shares		count		/* how many readers there is something for */
#else
#define portion		count
#define shares		(count > 0)
#endif

/* -------------------------------------------------------- what the lock protects */

bit locked;
byte woken;				/* readers on their way back from sleep */
bit taken;				/* since blocked writers were looked at */

chan sleepers = [TASKS + 1] of { byte };	/* the ring, from its first on */

/* In the order in which they stand in it. */
#define WRITER	0
#define LOSER	1			/* a reader that was woken, but others were faster */
#define READER	2
byte kind[TASKS + 1];

mtype = { AWAY, WAITS, WOKEN, SERVED };	/* AWAY: not in eventfd_sleep() */
mtype state[TASKS + 1] = AWAY;
byte amount[TASKS + 1];			/* what a writer adds, or a reader got */

bool queued[POLLERS + 1];		/* this poller is on the queue */
bool attached = (CONSUMER > 0);		/* and so is the consumer */

/* ------------------------------------------------------- what it does not protect */

bool running[TASKS + 1] = true;		/* false: TASK_INTERRUPTIBLE */
bool pending[TASKS + 1];		/* signal_pending() */
bool called[POLLERS + 1];		/* poll()'s callback has run */
bool edge = true;			/* the same for the task with EPOLLET */
byte owed;				/* what was put off; atomic */
bool listed;				/* on eventfd_owing */
bool work;				/* the work item is queued */

#define SIGNAL	1			/* in owed: EVENTFD_OWED_SIGNAL */
#define ROOM	2			/* EVENTFD_OWED_ROOM */
#define ONE	4			/* EVENTFD_OWED_ONE */

/* ------------------------------------------- scratch, while somebody has the lock */

mtype = { NOTHING, IN, OUT };
mtype event = NOTHING;			/* what pollers are to be told next */
byte passed;				/* writers that the pass has left behind */
bool more;				/* there may be something for another reader */
bool over;				/* an exclusive callback has ended the walk */
byte adds, takes, told_in, told_out;	/* for the rule that each change is told once */
#ifdef SHORTEST
#define hidden				/* spin: no hidden variables in a breadth-first search */
#endif
hidden byte h_i, h_n, h_who, h_pick, h_got, h_full;	/* within one step only */

#ifdef FAULT_ONLY_FROM_ZERO
byte before;				/* the count before the change */
#define remember before = count
#else
#define remember skip
#endif

/* ---------------------------------------------------------------------- the rules */

/* What callers believe to be in there: written and signalled, less read, less spilled. */
short ledger = START;
byte nested_left = NESTED;

#define rule(name, condition) \
	if \
	:: (condition) \
	:: else -> printf("BROKEN: "); printf(name); printf("\n"); assert(false) \
	fi

/* Whenever the lock is dropped. */
inline rules()
{
	rule("count within bounds", count <= MAX);
	rule("pollers are told of each add once", told_in == adds);
	rule("pollers are told of each read once", told_out == takes);
	h_i = len(sleepers);
	h_n = 0;			/* readers among them */
	h_pick = WRITER;		/* the kind of the last one */
	h_full = false;			/* there are writers */
	do
	:: h_i > 0 ->
		sleepers?h_who;
		rule("ring: who is in it waits", state[h_who] == WAITS);
#ifndef SYMPTOMS
		rule("ring: writers, losers, readers", kind[h_who] >= h_pick);
		h_pick = kind[h_who];
		h_n = h_n + (h_who < READERS);
		rule("writers sleep only if they do not fit", kind[h_who] != WRITER || !has_room(amount[h_who]));
		rule("who has lost sleeps only at zero", kind[h_who] != LOSER || !readable);
		h_full = h_full || kind[h_who] == WRITER;
		rule("no writer sleeps beside a reader that has lost", kind[h_who] != LOSER || !h_full);
#endif
		sleepers!h_who;
		h_i--
	:: else -> break
	od;
#ifndef SYMPTOMS
	rule("readers sleep only if enough are on the way", h_n == 0 || woken >= shares);
	h_i = 0; h_n = 0;
	do
	:: h_i < READERS -> h_n = h_n + (state[h_i] == WOKEN); h_i++
	:: else -> break
	od;
	rule("woken is the number of readers on the way", woken == h_n);
#endif
	h_i = 0; h_n = 0; h_pick = 0; h_who = 0; h_full = 0
}

/* When nothing can move any more: the promises. */
active proctype at_rest()
{
	timeout ->
	d_step {
		rule("the lock is free", !locked);
		h_i = 0;
		do
		:: h_i < TASKS ->
			rule("lost wakeup: who was woken or served gets up", state[h_i] == AWAY || state[h_i] == WAITS);
			rule("lost wakeup: readers sleep only at zero", h_i >= READERS || state[h_i] == AWAY || !readable);
			rule("lost wakeup: writers sleep only if they do not fit", h_i < READERS || state[h_i] == AWAY || !has_room(amount[h_i]));
			rule("lost wakeup: nobody sleeps through a signal", state[h_i] == AWAY || !pending[h_i]);
			h_i++
		:: else -> break
		od;
		h_i = 0;
		do
		:: h_i < POLLERS ->
			/* an exclusive callback keeps an event from those behind it */
			rule("lost wakeup: poll for EPOLLIN sleeps only at zero", !queued[h_i] || h_i >= IN_POLLERS || !readable || CONSUMER == 2);
			rule("lost wakeup: poll for EPOLLOUT sleeps only if full", !queued[h_i] || h_i < IN_POLLERS || !writable);
			h_i++
		:: else -> break
		od;
#ifdef EDGE
		rule("lost wakeup: after EAGAIN, epoll sleeps only at zero", !readable || CONSUMER == 2);
#endif
		rule("what is owed is delivered", owed == 0 && !listed && !work);
		rule("conservation: what went in came out or is left", ledger == count);
#ifndef SYMPTOMS
		rule("nobody is on the way", woken == 0);
#endif
		h_i = 0
	}
}

/* ----------------------------------------------------------------- lock and steps */

/*
 * A d_step is one step. What it does under the lock may be one step if nobody who
 * has not got the lock can look in between, or could tell. Those who look are
 * pollers and nonblocking readers (at the counter) and the work item (at what is
 * owed): where it matters what they see, a section falls into its steps. Otherwise it
 * is one: a task that it wakes needs the lock to go on, and a signal that comes
 * meanwhile might as well have come before. INTERLEAVE takes nobody's word for that.
 */
#if POLLERS + NESTED + EDGES > 0 || defined(INTERLEAVE)
#define SECTION
#else
#define SECTION atomic
#endif

inline acquire()
{
	d_step { !locked -> locked = 1; remember }
}

inline release()
{
	d_step {
		rules();
		over = false; more = false; passed = 0;
		adds = 0; takes = 0; told_in = 0; told_out = 0;
		locked = 0
	}
}

/* ------------------------------------------------------------ changes of the counter */

inline add(n)
{
	count = count + (n);
	adds++
}

/* Leaves in h_got what was taken. */
inline take()
{
	h_got = portion;
	count = count - h_got;
	taken = 1
}

/* --------------------------------------------------------------------- what is owed */

inline owe(n, what)
{
	h_n = n;
#ifdef FAULT_OWED_WRAPS
	ledger = ledger + h_n;
	owed = (owed + h_n * ONE) % ((OWED_MAX + 1) * ONE) | what;
#else
	h_n = (h_n > OWED_MAX - owed / ONE -> OWED_MAX - owed / ONE : h_n);
	ledger = ledger + h_n;
	owed = (owed + h_n * ONE) | what;
#endif
	h_n = 0
}

inline list()
{
	rule("debts: what is put on the list is not on it", !listed);
	listed = true;
	work = true
}

/* Takes no lock, and runs no callbacks. */
inline put_off(n, what)
{
	if
	:: owed == 0 -> owe(n, what); list()
	:: else -> owe(n, what)
	fi
}

/* ---------------------------------------------------------------------- callbacks */

/* eventfd_ctx_do_read() */
inline ctx_do_read()
{
	printf("    the consumer drains %d of %d\n", portion, count);
#if defined(FAULT_ROOM_AT_MAX)
	h_full = (count == MAX);
#else
	h_full = !has_room(1);
#endif
#ifdef FAULT_DRAIN_NOT_SEEN
	h_got = portion;
	count = count - h_got;
#else
	take();
#endif
#if defined(FAULT_ROOM_LATE)
	h_full = !has_room(1);
#elif defined(FAULT_DRAIN_UNTOLD)
	h_full = false;
#endif
	ledger = ledger - h_got;
	if
	:: h_full && has_room(1) -> printf("    room is owed to pollers\n"); put_off(0, ROOM)
	:: else
	fi;
	h_full = 0; h_got = 0
}

inline signal_nested()
{
	printf("    a callback signals\n");
	nested_left--;
#ifdef FAULT_NESTED_DROPPED
	ledger++
#else
	put_off(1, SIGNAL)
#endif
}

/* Tells event to everyone on the queue. The consumer has priority. */
inline tell_pollers()
{
	d_step {
		printf("    pollers are told: %e\n", event);
		over = false;
		if
		:: event == IN -> told_in++
		:: else -> told_out++
		fi;
#if CONSUMER
		if
		:: attached && (event == IN || CONSUMER == 3) -> ctx_do_read(); over = (CONSUMER == 2)
		:: else
		fi
#endif
	};
#if NESTED
	do
	:: d_step { nested_left > 0 && !over -> signal_nested() }
	:: break		/* not at all, once, or more often */
	od;
	skip;			/* (spin: a break must not end at a d_step) */
#endif
	d_step {
		h_i = 0;
		do
		:: h_i < POLLERS ->
			called[h_i] = called[h_i] || (queued[h_i] && !over && ((h_i < IN_POLLERS) == (event == IN)));
			h_i++
		:: else -> break
		od;
#ifdef EDGE
		edge = edge || (event == IN && !over);
#endif
#ifdef EXCLUSIVE
		printf("    the exclusive poller ends the walk\n");
		over = true;
#endif
		event = NOTHING;
		h_i = 0
	}
}

/* ------------------------------------------------------------------ the ring of sleepers */

/* Behind all of its kind and of those that come before it. */
inline enqueue(me)
{
	state[me] = WAITS;
#ifdef FAULT_AT_THE_END
	sleepers!me;
#else
	h_pick = me;			/* still to be put in */
	h_i = len(sleepers);
	do
	:: h_i > 0 ->
		sleepers?h_who;
		if
		:: h_pick == me && kind[h_who] > kind[me] -> sleepers!me; h_pick = NOBODY
		:: else
		fi;
		sleepers!h_who;
		h_i--
	:: else -> break
	od;
	if
	:: h_pick == me -> sleepers!me
	:: else
	fi;
#endif
	h_pick = 0; h_who = 0
}

inline dequeue(me)
{
	sleepers??eval(me)
}

/* ------------------------------------------------------------------------- waking */

inline let_go(who, how)
{
	dequeue(who);
	state[who] = how;
	running[who] = true		/* wake_up_process() */
}

/*
 * eventfd_serve_writers(), from one writer that fits to the next: goes on behind those
 * that were passed. Leaves IN in event if there was one.
 */
inline serve_next_writer()
{
	h_pick = NOBODY;
	h_n = 0;			/* places before h_who */
	h_i = len(sleepers);
	do
	:: h_i > 0 ->
		sleepers?h_who;
		sleepers!h_who;
		if
		:: h_pick == NOBODY && h_n >= passed && kind[h_who] == WRITER && has_room(amount[h_who]) ->
			h_pick = h_who
		:: h_pick == NOBODY && h_n >= passed && !(kind[h_who] == WRITER && has_room(amount[h_who])) ->
			passed++;
			/* The pass ends at a reader. */
			passed = (kind[h_who] == WRITER -> passed : TASKS)
#ifdef FAULT_FIRST_STOPS
			; passed = TASKS
#endif
		:: else
		fi;
		h_n++;
		h_i--
	:: else -> break
	od;
	if
	:: h_pick != NOBODY ->
		add(amount[h_pick]);
		printf("    writer %d is served: adds %d, count %d\n", h_pick, amount[h_pick], count);
		let_go(h_pick, SERVED);
		event = IN
	:: else -> passed = 0
	fi;
	h_pick = 0; h_who = 0; h_n = 0
}

#if defined(FAULT_HERD)
#define enough		false
#elif defined(FAULT_ONLY_FROM_ZERO)
#define enough		(woken >= shares || before != 0)
#else
#define enough		(woken >= shares)
#endif
#ifdef FAULT_NOT_HANDED
#define is_loser(who)	false
#else
#define is_loser(who)	(kind[who] == LOSER)
#endif

/*
 * Serves the first reader if it has lost, or wakes it, if there is something for it; more: perhaps it was
 * not the last. Those to be woken are all woken in one go in the code, which nobody can see.
 */
inline serve_reader()
{
	more = false;
	h_pick = NOBODY;
	h_i = len(sleepers);
	do
	:: h_i > 0 ->
		sleepers?h_who;
		sleepers!h_who;
		h_pick = (h_pick == NOBODY && kind[h_who] != WRITER -> h_who : h_pick);
		h_i--
	:: else -> break
	od;
	if
	:: shares == 0 || h_pick == NOBODY
	:: shares > 0 && h_pick != NOBODY && is_loser(h_pick) ->
		take();
		amount[h_pick] = h_got;
		printf("    reader %d, who has lost before, is handed %d, count %d\n", h_pick, amount[h_pick], count);
		let_go(h_pick, SERVED);
		takes++;
#ifndef FAULT_HANDED_UNTOLD
		event = OUT;
#endif
		more = true
	:: shares > 0 && h_pick != NOBODY && !is_loser(h_pick) && !enough ->
		printf("    reader %d is woken\n", h_pick);
		woken++;
		rule("no more are woken than can proceed", woken <= shares);
		let_go(h_pick, WOKEN);
#ifdef FAULT_WOKEN_TOLD
		event = IN;
#endif
		more = !enough
	:: else
	fi;
	h_pick = 0; h_who = 0; h_got = 0
}

/* Each turn takes somebody out of the ring, or finds nobody to take out. */
inline serve_sleepers()
{
	do
	:: len(sleepers) == 0 -> break
	:: d_step { len(sleepers) > 0 && taken ->
#ifndef FAULT_TAKEN_LATE
			taken = 0;
#endif
			passed = 0;
			serve_next_writer() };
		do
		:: event == IN -> tell_pollers(); d_step { serve_next_writer() }
		:: else -> break
		od;
#ifdef FAULT_TAKEN_LATE
		taken = 0;
#endif
		skip
	:: d_step { len(sleepers) > 0 && !taken -> serve_reader() };
		if
		:: event != NOTHING -> tell_pollers()
		:: else
		fi;
		if
		:: more -> more = false
		:: else -> break
		fi
	od;
	skip
}

#ifdef FAULT_ONE_QUEUE
#define out_of_reach	over
#else
#define out_of_reach	false
#endif

/* Follows every change of the counter, under the same lock. */
inline wake(first)
{
	event = first;
#ifdef FAULT_TAKEN_AT_WAKE
	taken = 0;
#endif
	tell_pollers();
	if
	:: !out_of_reach -> serve_sleepers()
	:: else
	fi;
	skip
}

/* ------------------------------------------------------------------------ sleeping */

/* __set_current_state(), while the lock is held */
inline about_to_sleep(me)
{
#ifndef FAULT_STATE_LATE
	running[me] = false
#else
	skip
#endif
}

/*
 * Comes back when the task was woken, or has a signal: it looks at that itself, so one that
 * came before the state was set is not slept through.
 */
inline schedule(me)
{
#ifdef FAULT_SIGNAL_UNSEEN
	running[me]
#else
	d_step { running[me] || pending[me] -> running[me] = true }
#endif
}

/* The operation ends; a signal is handled on the way back to the program. */
inline finish(me)
{
	state[me] = AWAY;
	kind[me] = (me < READERS -> READER : WRITER);
	pending[me] = false;
	todo--
}

/* ----------------------------------------------------------------------- the tasks */

/* What somebody takes for himself. Who has lost was to be served before. */
inline take_own()
{
	h_i = 0;
	do
	:: h_i < READERS ->
		rule("bypass: nobody overtakes a reader that has lost", state[h_i] != WAITS || kind[h_i] != LOSER);
		h_i++
	:: else -> break
	od;
	take();
	ledger = ledger - h_got;
	takes++;
	h_got = 0; h_i = 0
}

/* Data that is there wins against a signal. */
#ifdef FAULT_KEEPS_WAKEUP
#define looks(me)	(readable && !(state[me] == WOKEN && pending[me]))
#else
#define looks(me)	readable
#endif
#ifdef FAULT_SERVED_LOST
#define served(me)	(state[me] == SERVED && !pending[me])
#else
#define served(me)	(state[me] == SERVED)
#endif
#ifdef FAULT_STAYS_WOKEN
#define comes_back(me)	(state[me] == WOKEN && (readable || !pending[me]))
#else
#define comes_back(me)	(state[me] == WOKEN)
#endif
#ifdef FAULT_EMPTY_UNLOCKED
#define newcomer_reads	(!saw_zero)
#else
#define newcomer_reads	readable
#endif

/* eventfd_read(), and eventfd_sleep() in it */
proctype reader(byte me)
{
	byte todo = READS;
#ifdef FAULT_EMPTY_UNLOCKED
	bool saw_zero;
#endif

end:	do
	:: todo > 0 -> todo = 0
	:: todo > 0 ->
#ifdef FAULT_EMPTY_UNLOCKED
		saw_zero = !readable;
#endif
		SECTION {
			acquire();
			if
			:: d_step { newcomer_reads ->
				printf("reader %d: takes %d of %d\n", me, portion, count);
				take_own();
				finish(me) };
				wake(OUT)
			:: d_step { !newcomer_reads ->
				printf("reader %d: sleeps\n", me);
				enqueue(me);
				about_to_sleep(me) }
			fi;
			release()
		};
		do
		:: state[me] == AWAY -> break
		:: state[me] != AWAY ->
#ifdef FAULT_STATE_LATE
			running[me] = false;
#endif
end_asleep:		schedule(me);
			SECTION {
				acquire();
				if
				:: d_step { served(me) ->
					printf("reader %d: was handed %d\n", me, amount[me]);
					ledger = ledger - amount[me];
					amount[me] = 0;
					finish(me) }
				:: d_step { state[me] != SERVED && looks(me) ->
					woken = woken - comes_back(me);
					if
#ifndef FAULT_LEFT_BEHIND
					:: state[me] == WAITS -> dequeue(me)
#endif
					:: else
					fi;
					printf("reader %d: takes %d of %d\n", me, portion, count);
					state[me] = AWAY;
					take_own();
					finish(me) };
					wake(OUT)
				:: d_step { !served(me) && (state[me] == SERVED || !looks(me)) ->
					woken = woken - comes_back(me);
					if
					:: pending[me] ->
						printf("reader %d: leaves, interrupted\n", me);
						if
						:: state[me] == WAITS -> dequeue(me)
						:: else
						fi;
						finish(me)
					:: !pending[me] && state[me] == WOKEN && !readable ->
						printf("reader %d: was woken but comes too late\n", me);
						rule("bypass: a woken reader loses at most once", kind[me] != LOSER);
						kind[me] = LOSER;
						enqueue(me);
						about_to_sleep(me)
					:: else -> about_to_sleep(me)
					fi }
				fi;
				release()
			}
		od
	od
}

/* eventfd_write(), and eventfd_sleep() in it */
proctype writer(byte me)
{
	byte todo = WRITES;

end:	do
	:: todo > 0 -> todo = 0
	:: todo > 0 ->
		SECTION {
			acquire();
			if
			:: d_step { has_room(amount[me]) ->
				ledger = ledger + amount[me];
				add(amount[me]);
				printf("writer %d: adds %d, count %d\n", me, amount[me], count);
				rule("user writes stop below the maximum", count < MAX);
				finish(me) };
				wake(IN)
			:: d_step { !has_room(amount[me]) ->
				printf("writer %d: %d does not fit, sleeps\n", me, amount[me]);
				enqueue(me);
				about_to_sleep(me) }
			fi;
			release()
		};
		do
		:: state[me] == AWAY -> break
		:: state[me] != AWAY ->
#ifdef FAULT_STATE_LATE
			running[me] = false;
#endif
end_asleep:		schedule(me);
			SECTION {
				acquire();
				d_step {
					if
					:: state[me] == SERVED ->
						printf("writer %d: was served\n", me);
						ledger = ledger + amount[me];
						finish(me)
					:: state[me] != SERVED && pending[me] ->
						printf("writer %d: leaves, interrupted\n", me);
						dequeue(me);
						finish(me)
					:: else -> about_to_sleep(me)
					fi
				};
				release()
			}
		od
	od
}

/* eventfd_read_some(), without blocking */
inline read_some()
{
	SECTION {
		acquire();
		if
		:: d_step { readable ->
			printf("newcomer: takes %d of %d\n", portion, count);
			take_own() };
			wake(OUT)
		:: !readable
		fi;
		release()
	}
}

/* One that does not block: at zero it takes no lock. */
proctype newcomer()
{
	byte todo = THEFTS;

end:	do
	:: todo > 0 -> todo = 0
	:: todo > 0 ->
		todo--;
		if
		:: !readable		/* EAGAIN */
		:: readable -> read_some()
		fi
	od
}

/* Waits for an edge, then reads until EAGAIN. */
proctype edge_triggered()
{
end:	do
	:: d_step { edge -> edge = false };
		do
		:: d_step { !readable -> printf("epoll: EAGAIN\n") }; break
		:: readable -> read_some()
		od
	od
}

/* eventfd_post_now(): always fits, but stops at the maximum. */
inline post_now(n)
{
#ifdef FAULT_TOLD_FIRST
	event = IN;
	tell_pollers();
#endif
	d_step {
		h_n = n;
		if
		:: h_n > space -> ledger = ledger - (h_n - space); h_n = space
		:: else
		fi;
		add(h_n);
		h_n = 0
	};
#ifdef FAULT_TOLD_FIRST
	serve_sleepers()
#else
	wake(IN)
#endif
}

proctype kernel()
{
	byte todo = SIGNALS;

end:	do
	:: todo > 0 -> todo = 0
	:: todo > 0 ->
		todo--;
		SECTION {
			acquire();
			d_step { printf("kernel: signals %d at %d\n", SIGNAL_BY, count); ledger = ledger + SIGNAL_BY };
			post_now(SIGNAL_BY);
			release()
		}
	od
}

/* A callback that another eventfd runs: put_off() without our lock, in its two steps. */
proctype elsewhere()
{
	byte todo = ELSEWHERE;
	bool first;

end:	do
	:: todo > 0 -> todo = 0
	:: todo > 0 ->
		todo--;
		d_step { printf("a callback elsewhere signals\n"); first = (owed == 0); owe(1, SIGNAL) };
		if
		:: first -> d_step { list(); first = false }
		:: else
		fi
	od
}

/* eventfd_deliver() */
proctype deliver()
{
	byte n;

end:	do
	:: atomic { work -> work = false };
		if
		:: listed ->
#ifdef FAULT_OWED_FIRST
			d_step { n = owed; owed = 0 };
			listed = false;
#else
			listed = false;
#ifndef FAULT_OWED_TWICE
			/* From here on the next signal puts it on the list again. */
			d_step { n = owed; owed = 0 };
#endif
#endif
#ifdef FAULT_OWED_TWICE
again:			n = owed;
#endif
			if
			:: n & SIGNAL ->
				SECTION {
					acquire();
					printf("work: delivers %d at %d\n", n / ONE, count);
					post_now(n / ONE);
					release()
				}
			:: else
			fi;
			if
#ifdef FAULT_ROOM_OR_SIGNAL
			:: (n & ROOM) && !(n & SIGNAL) ->
#else
			:: n & ROOM ->
#endif
				SECTION {
					acquire();
					d_step { printf("work: tells of room at %d\n", count); takes++ };
#ifdef FAULT_ONLY_TOLD
					event = OUT;
					tell_pollers();
#else
					wake(OUT);
#endif
					release()
				}
			:: else
			fi;
#ifdef FAULT_OWED_TWICE
			if
			:: d_step { owed == n -> owed = 0 }
			:: owed != n -> goto again
			fi;
#endif
			n = 0
		:: !listed
		fi
	od
}

/* poll(): joins the queue, then looks, then sleeps until its callback is called. */
#define ready(me)	((me < IN_POLLERS && readable) || (me >= IN_POLLERS && writable))

proctype poller(byte me)
{
#ifdef FAULT_POLL_LOOKS_FIRST
	bool seen;

	seen = ready(me);
	printf("poller %d: looks, ready: %d\n", me, seen);
#endif
#ifdef FAULT_TORN
	byte low;
#endif
	SECTION { acquire(); queued[me] = true; printf("poller %d: joins the queue\n", me); release() };
#ifdef FAULT_POLL_LOOKS_FIRST
	if
	:: seen -> goto out
	:: !seen -> printf("poller %d: sleeps\n", me);
end_first:	d_step { called[me] -> called[me] = false }
	fi;
#endif
	do
#ifdef FAULT_TORN
	:: low = count % 2; printf("poller %d: low half %d\n", me, low);
		if
		:: low + (count / 2) > 0 -> break
		:: else -> printf("poller %d: not ready, sleeps\n", me)
		fi;
end_torn:	d_step { called[me] -> called[me] = false }
#else
	:: ready(me) -> break
	:: else ->
		printf("poller %d: not ready, sleeps\n", me);
end_asleep:	d_step { called[me] -> called[me] = false }
#endif
	od;
#ifdef FAULT_POLL_LOOKS_FIRST
out:
#endif
	printf("poller %d: is ready\n", me);
	SECTION { acquire(); queued[me] = false; called[me] = false; release() }
}

/* eventfd_ctx_remove_wait_queue(): takes along what one read would. */
proctype detach()
{
	bool some;

	SECTION {
		acquire();
		d_step {
			printf("the consumer leaves, with %d of %d\n", portion, count);
			take();
			ledger = ledger - h_got;
			some = (h_got > 0);
			takes = takes + some;
			h_got = 0;
			attached = false
		};
		if
		:: some -> wake(OUT)
		:: else
		fi;
		release()
	}
}

proctype killer()
{
	byte todo = KILLS, who;

end:	do
	:: todo > 0 -> todo = 0
	:: todo > 0 ->
		todo--;
		select (who : 0 .. TASKS - 1);
		atomic { printf("signal to task %d\n", who); pending[who] = true; who = 0 }
	od
}

#if defined(WRITER_0)
#define adds_what(n)	((n) == 0 -> 2 : 0)
#elif defined(WRITER_2)
#define adds_what(n)	(2 - (n) % 2)
#else
#define adds_what(n)	(1 + (n) % 2)
#endif

init {
	byte i;
	atomic {
		i = 0; do :: i < READERS -> kind[i] = READER; run reader(i); i++ :: else -> break od;
		i = 0; do :: i < WRITERS -> kind[READERS + i] = WRITER; amount[READERS + i] = adds_what(i); run writer(READERS + i); i++ :: else -> break od;
		i = 0; do :: i < THIEVES -> run newcomer(); i++ :: else -> break od;
		i = 0; do :: i < POLLERS -> run poller(i); i++ :: else -> break od;
		i = 0;
		if :: SIGNALS > 0 -> run kernel() :: else fi;
		if :: NESTED + CONSUMER + ELSEWHERE > 0 -> run deliver() :: else fi;
		if :: ELSEWHERE > 0 -> run elsewhere() :: else fi;
		if :: KILLS > 0 -> run killer() :: else fi;
#ifdef EDGE
		run edge_triggered();
#endif
#ifdef DETACH
		run detach();
#endif
		skip
	}
}
