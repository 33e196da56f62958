// SPDX-License-Identifier: GPL-2.0
/*
 * A GLib program: threads hand values to the main loop, and the main loop hands them on to a
 * loop in another thread, which hands them back. Both loops sleep in poll() whenever there is
 * nothing to do; what wakes them is the eventfd of their GMainContext. Then there is one thing
 * to do at a time, in a thread, and only its end can wake the main loop.
 */
#include <stdlib.h>
#include <gio/gio.h>

#define THREADS	4
#define VALUES	50
#define TASKS	200

static GMainContext *there;
static GMainLoop *loop, *there_loop;
static unsigned long sum, came, tasks;

static void at_end(void)
{
	if (came == THREADS * VALUES && tasks == TASKS)
		g_main_loop_quit(loop);
}

static gboolean back(gpointer value)
{
	g_assert_true(g_main_context_is_owner(NULL));
	sum += GPOINTER_TO_UINT(value);
	came++;
	at_end();
	return G_SOURCE_REMOVE;
}

static gboolean over_there(gpointer value)
{
	g_assert_true(g_main_context_is_owner(there));
	g_idle_add(back, GUINT_TO_POINTER(2 * GPOINTER_TO_UINT(value)));
	return G_SOURCE_REMOVE;
}

static gboolean here(gpointer value)
{
	g_assert_true(g_main_context_is_owner(NULL));
	g_main_context_invoke(there, over_there, value);
	return G_SOURCE_REMOVE;
}

static gpointer give(gpointer number)
{
	for (unsigned int i = 0; i < VALUES; i++)
		g_main_context_invoke(NULL, here,
				      GUINT_TO_POINTER(GPOINTER_TO_UINT(number) * VALUES + i));
	return NULL;
}

static gpointer other_loop(gpointer unused)
{
	g_main_context_push_thread_default(there);
	g_main_loop_run(there_loop);
	g_main_context_pop_thread_default(there);
	return NULL;
}

static gboolean quit_there(gpointer unused)
{
	g_main_loop_quit(there_loop);
	return G_SOURCE_REMOVE;
}

static void add(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	g_task_return_int(task, GPOINTER_TO_INT(data) + 1);
}

static void next_task(GObject *source, GAsyncResult *result, gpointer unused)
{
	GTask *task;

	if (result) {
		g_assert_cmpint(g_task_propagate_int(G_TASK(result), NULL), ==, tasks + 1);
		tasks++;
		at_end();
	}
	if (tasks == TASKS)
		return;
	task = g_task_new(NULL, NULL, next_task, NULL);
	g_task_set_task_data(task, GINT_TO_POINTER(tasks), NULL);
	g_task_run_in_thread(task, add);
	g_object_unref(task);
}

static gboolean late(gpointer unused)
{
	g_printerr("%lu of %d values, %lu of %d tasks after a minute\n", came, THREADS * VALUES,
		   tasks, TASKS);
	exit(1);
}

int main(void)
{
	const unsigned long n = THREADS * VALUES;
	GThread *threads[THREADS], *other;

	loop = g_main_loop_new(NULL, FALSE);
	there = g_main_context_new();
	there_loop = g_main_loop_new(there, FALSE);
	g_timeout_add_seconds(60, late, NULL);
	other = g_thread_new("there", other_loop, NULL);
	for (int i = 0; i < THREADS; i++)
		threads[i] = g_thread_new("give", give, GINT_TO_POINTER(i));
	next_task(NULL, NULL, NULL);
	g_main_loop_run(loop);
	g_main_context_invoke(there, quit_there, NULL);
	g_thread_join(other);
	for (int i = 0; i < THREADS; i++)
		g_thread_join(threads[i]);
	g_assert_cmpuint(sum, ==, n * (n - 1));
	g_print("%lu values through two loops, %lu tasks\n", came, tasks);
	return 0;
}
