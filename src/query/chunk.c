/* Payloads of the chunks that are being played.
 *
 * A stream holds a buffer while it is inside a chunk. Threads that run side by side are
 * all inside one, so with very many of them whole payloads would be too much: from
 * held_max on, a stream holds a piece only and reads on when it comes to its end. The
 * checksum is looked at first all the same, over the whole payload.
 *
 *     payload:  | snapshot | events ................................. |
 *     buffer:              ^held_at      | piece |
 */
#include "query/player.h"

#define PIECE_SIZE 16384
#define FREE_BUFFERS_MAX 64
#define FREE_SIZE_MAX (1u << 20) /* larger ones are not kept for reuse */

static void
free_buffer(struct chunk_buffer *buffer)
{
    marey_memory_free(buffer->bytes);
    marey_memory_free(buffer);
}

static struct chunk_buffer *
take_buffer(struct player *player, size_t size)
{
    struct chunk_buffer *buffer = player->free_buffers;

    if (buffer != NULL) {
        player->free_buffers = buffer->next;
        player->free_buffer_count--;
    } else {
        buffer = marey_memory_new(1, sizeof(*buffer));
        if (buffer == NULL)
            return NULL;
    }
    if (!marey_memory_grow((void **)&buffer->bytes, &buffer->capacity, size, 1)) {
        free_buffer(buffer);
        return NULL;
    }
    player->held_bytes += buffer->capacity;
    return buffer;
}

void
marey_chunk_give(struct player *player, struct player_stream *stream)
{
    struct chunk_buffer *buffer = stream->chunk;

    stream->chunk = NULL;
    if (buffer == NULL)
        return;
    player->held_bytes -= buffer->capacity;
    if (player->free_buffer_count >= FREE_BUFFERS_MAX ||
        buffer->capacity > FREE_SIZE_MAX) {
        free_buffer(buffer);
        return;
    }
    buffer->next = player->free_buffers;
    player->free_buffers = buffer;
    player->free_buffer_count++;
}

void
marey_chunk_release_free(struct player *player)
{
    while (player->free_buffers != NULL) {
        struct chunk_buffer *buffer = player->free_buffers;
        player->free_buffers = buffer->next;
        free_buffer(buffer);
    }
    marey_memory_free(player->whole);
    player->whole = NULL;
}

/* Reads and checks the whole payload, and keeps its first piece. */
static enum marey_status
take_piece(struct player *player, struct player_stream *stream,
           const struct marey_extent *extent, size_t piece)
{
    if (!marey_memory_grow((void **)&player->whole, &player->whole_capacity,
                           extent->payload_size, 1))
        return MAREY_NOMEM;
    enum marey_status status =
        marey_extent_read(player->trace->directory, extent, player->whole);
    if (status != MAREY_OK)
        return status;
    stream->chunk = take_buffer(player, piece);
    if (stream->chunk == NULL)
        return MAREY_NOMEM;
    memcpy(stream->chunk->bytes, player->whole, piece);
    return MAREY_OK;
}

enum marey_status
marey_chunk_take(struct player *player, struct player_stream *stream,
                 const struct marey_extent *extent)
{
    enum marey_status status = MAREY_NOMEM;
    size_t size = extent->payload_size, piece = extent->snapshot_size + PIECE_SIZE;

    if (player->held_bytes + size > player->held_max && piece < size) {
        size = piece;
        status = take_piece(player, stream, extent, size);
    } else {
        stream->chunk = take_buffer(player, size);
        if (stream->chunk != NULL)
            status = marey_extent_read(player->trace->directory, extent,
                                       stream->chunk->bytes);
    }
    struct chunk_buffer *chunk = stream->chunk;
    if (status == MAREY_OK &&
        !marey_snapshot_init(&stream->snapshot, chunk->bytes, extent->snapshot_size,
                             extent->base_ticks))
        status = MAREY_CORRUPT;
    if (status != MAREY_OK) {
        marey_chunk_give(player, stream);
        return status;
    }
    chunk->extent = extent;
    chunk->held_at = 0;
    chunk->left = extent->payload_size - size;
    marey_cursor_init(&chunk->cursor, chunk->bytes + extent->snapshot_size,
                      size - extent->snapshot_size, extent->base_ticks,
                      extent->is_open);
    return MAREY_OK;
}

bool
marey_chunk_refill(struct player *player, struct chunk_buffer *chunk)
{
    struct marey_cursor *cursor = &chunk->cursor;
    size_t done = (size_t)(cursor->next - chunk->bytes);
    size_t kept = (size_t)(cursor->end - cursor->next);
    size_t more = kept < PIECE_SIZE / 2 ? PIECE_SIZE - kept : kept; /* a long event */

    if (chunk->left == 0)
        return false;
    if (more > chunk->left)
        more = chunk->left;
    memmove(chunk->bytes, cursor->next, kept);
    player->held_bytes -= chunk->capacity;
    bool has_room =
        marey_memory_grow((void **)&chunk->bytes, &chunk->capacity, kept + more, 1);
    player->held_bytes += chunk->capacity;
    cursor->next = cursor->start = chunk->bytes;
    cursor->end = chunk->bytes + kept;
    if (!has_room)
        return false;
    chunk->held_at += done;
    if (!marey_extent_read_part(player->trace->directory, chunk->extent,
                                chunk->held_at + kept, chunk->bytes + kept, more))
        return false;
    cursor->end += more;
    cursor->is_bad = cursor->is_cut_short = false;
    chunk->left -= more;
    return true;
}
