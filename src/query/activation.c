/* Suspended generators and coroutines, by key: what joins the parts of one call, also
 * those that ran on different lanes.
 *
 * A key is unique only among the activations of a process that are alive. One that is
 * dropped without an event stays here until its key comes again.
 */
#include "query/player.h"

#define NO_ACTIVATION UINT32_MAX

/* Keys of different owners are different; two that meet in one number are told apart by
 * what the activation says. */
static uint64_t
number_of(uint32_t owner, uint64_t key)
{
    return key ^ marey_mix((uint64_t)owner + 1);
}

static uint32_t
owner_of(const struct player *player, const struct player_lane *lane)
{
    return player->is_by_lane ? lane->index : lane->process;
}

static bool
is_it(const struct activation *activation, uint32_t owner, uint64_t key)
{
    return activation->owner == owner && activation->key == key;
}

static void
give_back(struct player *player, uint32_t index)
{
    player->activations[index].is_used = false;
    player->activations[index].next_free = player->free_activation;
    player->free_activation = index + 1;
}

void
marey_activation_take(struct player *player, const struct player_lane *lane,
                      struct frame *frame)
{
    uint32_t owner = owner_of(player, lane);
    uint64_t number = number_of(owner, frame->activation);
    uint32_t index = marey_table_get(&player->activation_index, number);
    const struct gaps *gaps = &player->gaps[owner];
    bool is_in_gap = gaps->open_count > 0 && lane->last_ns >= gaps->since_ns;

    frame->has_gap = is_in_gap || gaps->count > 0; /* until an earlier part is found */
    if (index == MAREY_TABLE_NONE)
        return;
    const struct activation *found = &player->activations[index];
    if (!is_it(found, owner, frame->activation) || found->function != frame->function)
        return;
    frame->made_as = found->made_as;
    frame->is_counted = found->is_counted;
    if (is_in_gap || gaps->count != found->gap_count) {
        frame->has_gap = true; /* it goes on, or another has its key now */
    } else {
        frame->first_ns = found->first_ns;
        frame->running_ns = found->running_ns;
        frame->has_gap = found->has_gap;
        frame->is_joined = true;
    }
    marey_table_take(&player->activation_index, number);
    give_back(player, index);
}

static uint32_t
new_activation(struct player *player)
{
    if (player->free_activation != 0) {
        uint32_t index = player->free_activation - 1;
        player->free_activation = player->activations[index].next_free;
        return index;
    }
    if (player->activation_count >= NO_ACTIVATION - 1 ||
        !marey_memory_grow((void **)&player->activations, &player->activation_capacity,
                           player->activation_count + 1, sizeof(*player->activations)))
        return NO_ACTIVATION;
    return (uint32_t)player->activation_count++;
}

bool
marey_activation_put(struct player *player, const struct player_lane *lane,
                     const struct frame *frame, int64_t part_ns)
{
    const struct marey_selection *selection = &player->selection;
    bool is_told = lane->is_selected && lane->last_ns >= selection->from_ns &&
                   part_ns >= selection->min_duration_ns;
    uint32_t owner = owner_of(player, lane);
    uint64_t number = number_of(owner, frame->activation);
    uint32_t index = marey_table_get(&player->activation_index, number);

    if (index != MAREY_TABLE_NONE) {
        if (player->forget != NULL)
            player->forget(player->forget_context, &player->activations[index], false);
    } else {
        index = new_activation(player);
        if (index == NO_ACTIVATION)
            return false;
        if (!marey_table_put(&player->activation_index, number, index)) {
            give_back(player, index);
            return false;
        }
    }
    player->activations[index] = (struct activation){
        .key = frame->activation,
        .owner = owner,
        .function = frame->function,
        .made_as = frame->made_as,
        .first_ns = frame->first_ns,
        .running_ns = clock_sum(frame->running_ns, part_ns),
        .is_counted = frame->is_counted || is_told,
        .is_shown = frame->is_shown,
        .is_used = true,
        .has_gap = frame->has_gap,
        .gap_count = player->gaps[owner].count,
    };
    return true;
}

void
marey_activation_gap_begin(struct player *player, const struct player_lane *lane,
                           int64_t since_ns)
{
    struct gaps *gaps = &player->gaps[owner_of(player, lane)];

    if (gaps->open_count++ == 0 || since_ns < gaps->since_ns)
        gaps->since_ns = since_ns;
}

void
marey_activation_gap_end(struct player *player, const struct player_lane *lane)
{
    struct gaps *gaps = &player->gaps[owner_of(player, lane)];

    gaps->open_count--;
    gaps->count++;
}

void
marey_activation_drop(struct player *player, const struct player_lane *lane,
                      uint64_t key)
{
    uint32_t index = marey_table_take(&player->activation_index,
                                      number_of(owner_of(player, lane), key));

    if (index == MAREY_TABLE_NONE)
        return;
    if (player->forget != NULL)
        player->forget(player->forget_context, &player->activations[index], false);
    give_back(player, index);
}

void
marey_activation_forget_all(struct player *player)
{
    if (player->forget == NULL)
        return;
    for (size_t i = 0; i < player->activation_count; i++) {
        if (player->activations[i].is_used)
            player->forget(player->forget_context, &player->activations[i], true);
    }
}
