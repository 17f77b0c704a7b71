/* The durations of watched calls.
 *
 * A plain call is measured from its entry on the shadow stack. One that is suspended,
 * and resumed (a coroutine, a generator), lasts from its first start to its end, with
 * all the waiting in between: its start is kept here by the key of its activation, from
 * the first time it is suspended. Activations that are dropped without an end leave an
 * entry behind; a new activation under the same key replaces it, and there are never
 * more than a fixed number.
 */
#include "capture/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/table.h"
#include "marey/capture_keep.h"

#define ACTIVATIONS_MAX 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct marey_table starts; /* key -> index */
static uint64_t start_ticks[ACTIVATIONS_MAX];
static uint64_t start_keys[ACTIVATIONS_MAX];
static uint32_t next_index; /* taken in turn: the oldest makes way */

void
marey_watch_began(uintptr_t key)
{
    if (starts.count == 0)
        return; /* a look without the lock: ours would be there by now */
    pthread_mutex_lock(&lock);
    marey_table_take(&starts, key);
    pthread_mutex_unlock(&lock);
}

void
marey_watch_suspended(const struct marey_call *call, uintptr_t key)
{
    pthread_mutex_lock(&lock);
    if (marey_table_get(&starts, key) == MAREY_TABLE_NONE) {
        uint32_t index = next_index++ % ACTIVATIONS_MAX;
        if (marey_table_get(&starts, start_keys[index]) == index)
            marey_table_take(&starts, start_keys[index]);
        start_keys[index] = key;
        start_ticks[index] = call->start_ticks;
        marey_table_put(&starts, key, index);
    }
    pthread_mutex_unlock(&lock);
}

static uint64_t
start_of(const struct marey_call *call, uintptr_t key)
{
    uint64_t start = call->start_ticks;

    if (!marey_call_is_resumed(call))
        return start;
    pthread_mutex_lock(&lock);
    uint32_t index = marey_table_take(&starts, key);
    if (index != MAREY_TABLE_NONE)
        start = start_ticks[index];
    pthread_mutex_unlock(&lock);
    return start;
}

void
marey_watch_ended(const struct marey_call *call, uintptr_t key, uint64_t now,
                  bool is_raised)
{
    const struct marey_recording *recording = atomic_load(&marey_recording_now);
    uint32_t watched = marey_call_function(call)->keep_rules;
    uint64_t start = start_of(call, key);

    if (recording == NULL)
        return;
    double took_ns =
        (double)(now - start) * 1e9 / (double)recording->clock.ticks_per_second;

    for (uint32_t rule = 0; watched != 0; rule++, watched >>= 1) {
        const struct marey_keep_rule *asked =
            (watched & 1) != 0 ? marey_keep_rule_at(rule) : NULL;
        char took[32];
        if (asked == NULL || took_ns < (double)asked->duration_ns ||
            (asked->raises && !is_raised))
            continue;
        snprintf(took, sizeof(took), "took %.3f ms", took_ns / 1e6);
        marey_keep_match(rule, start, took);
    }
}

void
marey_watch_reset(void)
{
    pthread_mutex_init(&lock, NULL);
    marey_table_release(&starts);
    starts = (struct marey_table){0};
}
