/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wake protocol of fs/eventfd.c, small enough for spin to try every order in
 * which things can happen. README.md beside this says what the parts stand for.
 *
 * One lock protects the counter, the sleepers, and the queue of pollers. Without it,
 * pollers look at the counter, sleepers go to sleep and get up, signals arrive, and
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
 *	CONSUMER=1		a callback that drains the counter; 2: it also ends the walk
 *	DETACH			which is removed at some time
 *	NESTED			a callback that signals this eventfd, so many times in all
 *	EXCLUSIVE		a poller with EPOLLEXCLUSIVE is on the queue
 *
 * A fault, by -DFAULT_x (SYMPTOMS turns off the rules that look inside, so that it shows
 * by the harm that it does to a caller):
 *	ONE_QUEUE		sleepers behind the pollers; an exclusive one ends the walk
 *	POLL_LOOKS_FIRST	poll reads the counter before it joins the queue
 *	KEEPS_WAKEUP		a woken reader leaves on a signal, though it could proceed
 *	STAYS_WOKEN		a woken reader leaves on a signal without woken--
 *	ONLY_FROM_ZERO		readers are woken only if the count was zero before
 *	BEFORE_LATE		"before" is the count after the change
 *	DRAIN_NOT_SEEN		writers are not looked at when a callback has drained
 *	ONE_PASS		a writer that did not fit is not looked at again
 *	DRAIN_UNTOLD		pollers are not told that a callback has made room
 *	DRAIN_BEFORE		or only if the count is less than before the change
 *	STATE_LATE		set_current_state() after the lock was dropped
 *	DONE_LOST		a reader that was served leaves on a signal
 *	NOT_HANDED		a reader that has lost is woken, not handed the value
 *	HERD			all readers are woken
 *	HANDED_UNTOLD		no EPOLLOUT for what was handed over
 *	PASS_TOLD		an EPOLLIN for waking a task
 *	NESTED_DROPPED		signals from callbacks are dropped
 *	OWED_TWICE		what is owed is cleared after it was delivered
 *	OWED_FIRST		what is owed is taken while it is still on the list
 *	OWED_WRAPS		what is owed wraps to zero
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

#define TASKS	(READERS + WRITERS)	/* readers have the first numbers, then writers */
#define POLLERS	(IN_POLLERS + OUT_POLLERS)
#define NOBODY	255

/* ------------------------------------------------------------------ the counter */

#define MAX	3			/* ULLONG_MAX: only the kernel's signals reach it */

byte count = START;			/* pollers read it without the lock */

#define fits(n)		(count + (n) < MAX)
#define can_read	(count > 0)		/* EPOLLIN */
#define can_write	(count < MAX - 1)	/* EPOLLOUT */

#ifdef SEMAPHORE
#define portion	1			/* what one read takes */
#define avail	count			/* how many readers can proceed */
#else
#define portion	count
#define avail	(count > 0)
#endif

/* -------------------------------------------------------- what the lock protects */

bit locked;
byte woken;				/* readers woken and not yet back */

/* The sleepers: one list, in this order, each part of it first in, first out. */
chan writers = [TASKS + 1] of { byte };
chan losers  = [TASKS + 1] of { byte };	/* readers that were woken and came too late */
chan waiters = [TASKS + 1] of { byte };	/* the other readers */

mtype = { AWAY, WAITING, WOKEN, DONE };	/* AWAY: not in an operation that sleeps */
mtype state[TASKS + 1] = AWAY;
byte amount[TASKS + 1];			/* a writer: to add; a reader: handed to it */

bool queued[POLLERS + 1];		/* this poller is on the queue */
bool attached = (CONSUMER > 0);		/* and so is the consumer */

/* ------------------------------------------------------- what it does not protect */

bool running[TASKS + 1] = true;		/* false: TASK_INTERRUPTIBLE */
bool pending[TASKS + 1];		/* signal_pending() */
bool called[POLLERS + 1];		/* poll()'s callback has run */
byte owed;				/* nested signals that are to be delivered; atomic */
bool listed;				/* on the list of those to which something is owed */
bool work;				/* the work item is queued */

/* ------------------------------------------- scratch, while somebody has the lock */

mtype = { NOTHING, IN, OUT, AGAIN };
mtype event = NOTHING;			/* what pollers are to be told next */
byte before;				/* the count before the change */
bool was_full;			/* EPOLLOUT was not ready when the walk began */
bool over;				/* an exclusive callback has ended the walk */
byte adds, takes, told_in, told_out;	/* for the rule that each change is told once */
#ifdef SHORTEST
#define hidden				/* spin: no hidden variables in a breadth-first search */
#endif
hidden byte h_i, h_n, h_who, h_pick;	/* within one step only */

/* ---------------------------------------------------------------------- the rules */

/* What callers believe to be in there: written and signalled, less read, less spilled. */
short ledger = START;
byte losses[TASKS + 1];			/* of the present read */
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
#ifndef SYMPTOMS
	h_i = 0; h_n = 0;
	do
	:: h_i < READERS -> h_n = h_n + (state[h_i] == WOKEN); h_i++
	:: else -> break
	od;
	rule("woken is the number of readers on the way", woken == h_n);
	rule("readers sleep only if enough are on the way", len(losers) + len(waiters) == 0 || woken >= avail);
	rule("who has lost sleeps only at zero", len(losers) == 0 || count == 0);
	rule("no writer sleeps beside a reader that has lost", len(losers) == 0 || len(writers) == 0);
	h_i = len(writers);
	do
	:: h_i > 0 ->
		writers?h_who;
		rule("writers sleep only if they do not fit", !fits(amount[h_who]));
		writers!h_who;
		h_i--
	:: else -> break
	od;
	h_i = 0
#endif
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
			rule("lost wakeup: who was woken or served gets up", state[h_i] == AWAY || state[h_i] == WAITING);
			rule("lost wakeup: readers sleep only at zero", h_i >= READERS || state[h_i] == AWAY || !can_read);
			rule("lost wakeup: writers sleep only if they do not fit", h_i < READERS || state[h_i] == AWAY || !fits(amount[h_i]));
			h_i++
		:: else -> break
		od;
		h_i = 0;
		do
		:: h_i < POLLERS ->
			/* an exclusive callback keeps an event from those behind it */
			rule("lost wakeup: poll for EPOLLIN sleeps only at zero", !queued[h_i] || h_i >= IN_POLLERS || !can_read || CONSUMER == 2);
			rule("lost wakeup: poll for EPOLLOUT sleeps only if full", !queued[h_i] || h_i < IN_POLLERS || !can_write);
			h_i++
		:: else -> break
		od;
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
 * pollers (at the counter) and the deferred work (at what is owed): where there are
 * such, a section falls into its steps. Otherwise it is one: a task that it wakes
 * needs the lock to go on, and a signal that comes meanwhile might as well have come
 * before. INTERLEAVE takes nobody's word for that.
 */
#if POLLERS + NESTED > 0 || defined(INTERLEAVE)
#define SECTION
#else
#define SECTION atomic
#endif

inline acquire()
{
	d_step { !locked -> locked = 1; before = count }
}

inline release()
{
	d_step {
		rules();
		before = 0; was_full = false; over = false;
		adds = 0; takes = 0; told_in = 0; told_out = 0;
		locked = 0
	}
}

/* ---------------------------------------------------------------------- callbacks */

inline drain()
{
	printf("    the consumer drains %d of %d\n", portion, count);
	ledger = ledger - portion;
	count = count - portion
}

/* eventfd_signal() while callbacks run: takes no lock, and does not recurse. */
inline signal_nested()
{
	printf("    a callback signals\n");
	nested_left--;
	ledger++;
#ifndef FAULT_NESTED_DROPPED
	if
	:: owed == 0 ->
		rule("debts: what is put on the list is not on it", !listed);
		listed = true;
		work = true
	:: else
	fi;
	owed++;
#endif
#ifdef FAULT_OWED_WRAPS
	owed = owed % 4;
#endif
	h_i = 0
}

/* Tells event to everyone on the queue. The consumer has priority. */
inline walk()
{
	d_step {
		printf("    pollers are told: %e\n", event);
		over = false;
		was_full = (event == IN && !can_write);
		if
		:: event == IN -> told_in++
		:: else -> told_out++
		fi;
#if CONSUMER
		if
		:: attached && event == IN && can_read -> drain(); over = (CONSUMER == 2)
		:: else
		fi
#endif
	};
#if NESTED
	do
	:: d_step { event == IN && nested_left > 0 && !over -> signal_nested() }
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
#ifdef EXCLUSIVE
		printf("    the exclusive poller ends the walk\n");
		over = true;
#endif
		h_i = 0
	}
}

/* ------------------------------------------------------------------------- waking */

/* Writers that may fit: those that are asleep did not fit before. */
#ifdef FAULT_DRAIN_NOT_SEEN
#define room_was_made	(event == OUT)
#else
#define room_was_made	(count < before)
#endif
#ifdef FAULT_ONE_PASS
bool passed[TASKS + 1];
#define may_fit(who)	(!passed[who] && fits(amount[who]))
#else
#define may_fit(who)	fits(amount[who])
#endif

/* The same for pollers. They have looked without the lock, maybe during this section. */
#if defined(FAULT_DRAIN_NOT_SEEN) || defined(FAULT_DRAIN_UNTOLD)
#define room_for_pollers false
#elif defined(FAULT_DRAIN_BEFORE)
#define room_for_pollers (event == IN && count < before)
#else
#define room_for_pollers (was_full && can_write)
#endif

/* Readers that are to be woken, or handed something. */
#if defined(FAULT_HERD)
#define wake_one	can_read
#elif defined(FAULT_ONLY_FROM_ZERO)
#define wake_one	(woken < avail && before == 0)
#else
#define wake_one	(woken < avail)
#endif
#ifdef FAULT_NOT_HANDED
#define hand_over	false
#else
#define hand_over	can_read
#endif

/* What pollers are told of what was read for another, or of a wakeup passed on. */
#ifdef FAULT_HANDED_UNTOLD
#define TELL_HANDED	AGAIN
#else
#define TELL_HANDED	OUT
#endif
#ifdef FAULT_PASS_TOLD
#define TELL_WOKEN	IN
#else
#define TELL_WOKEN	AGAIN
#endif

/*
 * Completes or wakes one sleeper, the one whose turn it is, and leaves in event what
 * pollers are to be told: NOTHING if no sleeper can proceed.
 */
inline settle()
{
	h_pick = NOBODY;
	h_i = len(writers);
	do
	:: h_i > 0 ->
		writers?h_who;
		if
		:: h_pick == NOBODY && room_was_made && may_fit(h_who) -> h_pick = h_who
		:: else -> writers!h_who
#ifdef FAULT_ONE_PASS
			; passed[h_who] = passed[h_who] || h_pick == NOBODY
#endif
		fi;
		h_i--
	:: else -> break
	od;
	if
	:: h_pick != NOBODY ->
		count = count + amount[h_pick];
		printf("    writer %d is completed: adds %d, count %d\n", h_pick, amount[h_pick], count);
		adds++;
		state[h_pick] = DONE;
		running[h_pick] = true;
		event = IN
	:: h_pick == NOBODY && len(losers) > 0 && hand_over ->
		losers?h_pick;
		amount[h_pick] = portion;
		count = count - portion;
		printf("    reader %d, who has lost before, is handed %d, count %d\n", h_pick, amount[h_pick], count);
		takes++;
		state[h_pick] = DONE;
		running[h_pick] = true;
		event = TELL_HANDED
	:: h_pick == NOBODY && !(len(losers) > 0 && hand_over) && len(losers) + len(waiters) > 0 && wake_one ->
		if
		:: len(losers) > 0 -> losers?h_pick
		:: else -> waiters?h_pick
		fi;
		printf("    reader %d is woken\n", h_pick);
		woken++;
		rule("no more are woken than can proceed", woken <= avail);
		state[h_pick] = WOKEN;
		running[h_pick] = true;
		event = TELL_WOKEN
	:: else -> event = NOTHING
	fi;
	h_who = 0
}

/* Follows every change of the counter, under the same lock. */
inline wake(first)
{
	event = first;
#ifdef FAULT_ONE_PASS
	h_i = 0;
	do
	:: h_i < TASKS -> passed[h_i] = false; h_i++
	:: else -> break
	od;
#endif
#ifdef FAULT_BEFORE_LATE
	before = count;
#endif
	do
	:: event == NOTHING -> break
	:: else ->
		if
		:: event != AGAIN -> walk()
		:: else
		fi;
		d_step {
			if
#ifdef FAULT_ONE_QUEUE
			:: over -> event = NOTHING
#endif
			/* a callback has made room, and nobody else knows */
			:: room_for_pollers -> takes++; event = OUT
			:: else -> settle()
			fi;
			was_full = false
		}
	od;
	skip
}

/* ------------------------------------------------------------------------ sleeping */

/* set_current_state(), while the lock is held */
inline about_to_sleep(me)
{
	state[me] = WAITING;
#ifndef FAULT_STATE_LATE
	running[me] = false
#endif
}

/* schedule(): comes back when the task was woken or has a signal. */
inline schedule(me)
{
	d_step { running[me] || pending[me] -> running[me] = true }
}

inline leave_list(me)
{
	if
	:: state[me] == WAITING && me >= READERS -> writers??eval(me)
	:: state[me] == WAITING && me < READERS && losses[me] > 0 -> losers??eval(me)
	:: state[me] == WAITING && me < READERS && losses[me] == 0 -> waiters??eval(me)
	:: else
	fi
}

/* The operation ends; a signal is handled on the way back to the program. */
inline finish(me)
{
	state[me] = AWAY;
	losses[me] = 0;
	pending[me] = false;
	todo--
}

/* ----------------------------------------------------------------------- the tasks */

/* What somebody takes for himself. Who has lost was to be served before. */
inline take()
{
	rule("bypass: nobody overtakes a reader that has lost", len(losers) == 0);
	ledger = ledger - portion;
	count = count - portion;
	takes++
}

/* A signal never wins against data. */
#if defined(FAULT_KEEPS_WAKEUP)
#define signal_wins(me)	(was_woken && pending[me])
#elif defined(FAULT_DONE_LOST)
#define signal_wins(me)	(state[me] == DONE && pending[me])
#else
#define signal_wins(me)	false
#endif

proctype reader(byte me)
{
	byte todo = READS;
	bool was_woken;

end:	do
	:: todo > 0 && state[me] == AWAY -> todo = 0
	:: todo > 0 ->
		/* new, or back from schedule() */
		SECTION {
			acquire();
			d_step {
				was_woken = (state[me] == WOKEN);
#ifdef FAULT_STAYS_WOKEN
				woken = woken - (was_woken && (can_read || !pending[me]))
#else
				woken = woken - was_woken
#endif
			};
			if
			:: d_step { state[me] == DONE && !signal_wins(me) ->
				printf("reader %d: was handed %d\n", me, amount[me]);
				ledger = ledger - amount[me];
				amount[me] = 0;
				finish(me) }
			:: d_step { state[me] != DONE && can_read && !signal_wins(me) ->
				printf("reader %d: takes %d of %d\n", me, portion, count);
				leave_list(me);
				take();
				finish(me) };
				wake(OUT)
			:: d_step { signal_wins(me) || (state[me] != DONE && !can_read && pending[me]) ->
				printf("reader %d: leaves, interrupted\n", me);
				leave_list(me);
				finish(me) }
			:: d_step { state[me] != DONE && !can_read && !pending[me] ->
				if
				:: was_woken ->
					printf("reader %d: was woken but comes too late, sleeps on\n", me);
					losses[me]++;
					rule("bypass: a woken reader loses at most once", losses[me] <= 1);
					losers!me
				:: state[me] == AWAY ->
					printf("reader %d: sleeps\n", me);
					waiters!me
				:: else
				fi;
				about_to_sleep(me) }
			fi;
			was_woken = false;
			release()
		};
		if
		:: state[me] != AWAY ->
#ifdef FAULT_STATE_LATE
			running[me] = false;
#endif
end_asleep:		schedule(me)
		:: else
		fi
	od
}

proctype writer(byte me)
{
	byte todo = WRITES;

#if defined(WRITER_0)
	amount[me] = (me == READERS -> 2 : 0);
#elif defined(WRITER_2)
	amount[me] = 2 - (me - READERS) % 2;
#else
	amount[me] = 1 + (me - READERS) % 2;
#endif
end:	do
	:: todo > 0 && state[me] == AWAY -> todo = 0
	:: todo > 0 ->
		SECTION {
			acquire();
			if
			:: d_step { state[me] == DONE ->
				printf("writer %d: was completed\n", me);
				ledger = ledger + amount[me];
				finish(me) }
			:: d_step { state[me] != DONE && fits(amount[me]) ->
				leave_list(me);
				ledger = ledger + amount[me];
				count = count + amount[me];
				printf("writer %d: adds %d, count %d\n", me, amount[me], count);
				rule("user writes stop below the maximum", count < MAX);
				adds++;
				finish(me) };
				wake(IN)
			:: d_step { state[me] != DONE && !fits(amount[me]) && pending[me] ->
				printf("writer %d: leaves, interrupted\n", me);
				leave_list(me);
				finish(me) }
			:: d_step { state[me] != DONE && !fits(amount[me]) && !pending[me] ->
				if
				:: state[me] == AWAY ->
					printf("writer %d: %d does not fit, sleeps\n", me, amount[me]);
					writers!me
				:: else
				fi;
				about_to_sleep(me) }
			fi;
			release()
		};
		if
		:: state[me] != AWAY ->
#ifdef FAULT_STATE_LATE
			running[me] = false;
#endif
end_asleep:		schedule(me)
		:: else
		fi
	od
}

proctype newcomer()
{
	byte todo = THEFTS;

end:	do
	:: todo > 0 -> todo = 0
	:: todo > 0 ->
		todo--;
		SECTION {
			acquire();
			if
			:: d_step { can_read ->
				printf("newcomer: takes %d of %d\n", portion, count);
				take() };
				wake(OUT)
			:: !can_read
			fi;
			release()
		}
	od
}

/* A signal of the kernel: always fits, but stops at the maximum. */
inline kernel_add(n)
{
	d_step {
		adds++;
		if
		:: count + n > MAX -> ledger = ledger - (count + n - MAX); count = MAX
		:: else -> count = count + n
		fi
	};
	wake(IN)
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
			kernel_add(SIGNAL_BY);
			release()
		}
	od
}

/* The work item: delivers what nested signals have left. */
proctype deferred()
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
			/* From this exchange on it may be put on the list again. */
			d_step { n = owed; owed = 0 };
#endif
#endif
again:			SECTION {
				acquire();
#ifdef FAULT_OWED_TWICE
				n = owed;
#endif
				printf("work: delivers %d at %d\n", n, count);
				kernel_add(n);
				release()
			};
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
#define ready(me)	((me < IN_POLLERS && can_read) || (me >= IN_POLLERS && can_write))

proctype poller(byte me)
{
#ifdef FAULT_POLL_LOOKS_FIRST
	bool seen;

	seen = ready(me);
	printf("poller %d: looks, ready: %d\n", me, seen);
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
	:: ready(me) -> break
	:: else ->
		printf("poller %d: not ready, sleeps\n", me);
end_asleep:	d_step { called[me] -> called[me] = false }
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
	SECTION {
		acquire();
		attached = false;
		if
		:: d_step { can_read -> drain(); takes++ }; wake(OUT)
		:: !can_read
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

init {
	byte i;
	atomic {
		i = 0; do :: i < READERS -> run reader(i); i++ :: else -> break od;
		i = 0; do :: i < WRITERS -> run writer(READERS + i); i++ :: else -> break od;
		i = 0; do :: i < THIEVES -> run newcomer(); i++ :: else -> break od;
		i = 0; do :: i < POLLERS -> run poller(i); i++ :: else -> break od;
		i = 0;
		if :: SIGNALS > 0 -> run kernel() :: else fi;
		if :: NESTED > 0 -> run deferred() :: else fi;
		if :: KILLS > 0 -> run killer() :: else fi;
#ifdef DETACH
		run detach()
#endif
	}
}
