/* Writing bytes of the format into memory: what rewrites a trace (merge) and what makes
 * one up (tests) share. Recording has its own, faster way.
 *
 * What is put reads back as the same events; the bytes may differ from those a recorder
 * wrote, as slots of activations are chosen anew.
 */
#ifndef MAREY_FORMAT_ENCODE_H
#define MAREY_FORMAT_ENCODE_H

#include "marey/format_get.h"

/* Usable when all zero. */
struct marey_encoder {
    uint8_t *bytes; /* owned */
    size_t size_bytes;
    size_t capacity;
    bool is_out_of_memory; /* what was put since is missing */
    /* Of the chunk begun last: */
    uint64_t ticks;
    uint32_t bound;
    struct {
        uint64_t key;
        uint32_t function;
    } slots[MAREY_ACTIVATION_SLOTS];
};
void marey_encoder_release(struct marey_encoder *encoder);
/* Forgets all bytes, keeps the memory. */
void marey_encoder_clear(struct marey_encoder *encoder);

void marey_encode_bytes(struct marey_encoder *encoder, const void *bytes,
                        size_t size_bytes);
void marey_encode_u8(struct marey_encoder *encoder, uint8_t value);
void marey_encode_u32(struct marey_encoder *encoder, uint32_t value);
void marey_encode_u64(struct marey_encoder *encoder, uint64_t value);
void marey_encode_varint(struct marey_encoder *encoder, uint64_t value);

/* One record: its size, its tag, its body. */
void marey_encode_record(struct marey_encoder *encoder, uint8_t tag, const void *body,
                         size_t size_bytes);

/* Begins a chunk of events: time starts here, no slot is bound. The snapshot follows:
 * how many calls, then each of them. */
void marey_encode_chunk(struct marey_encoder *encoder, uint64_t base_ticks);
void marey_encode_entry(struct marey_encoder *encoder,
                        const struct marey_snapshot_entry *entry);

/* An event or note, at event->ticks, which is not before the last one's. RESYNC puts
 * the entries of event->snapshot, whose times are as they are. */
void marey_encode_event(struct marey_encoder *encoder, const struct marey_event *event);

/* ---- packing ---- */

/* Usable when all zero; one may pack many chunks after another. */
struct marey_packer {
    struct marey_encoder columns[9];
    struct marey_encoder out; /* the packed payload of the last one */
    uint8_t *scratch;         /* owned */
    size_t scratch_room;
};
void marey_packer_release(struct marey_packer *packer);

/* Packs the rows of a chunk of events (closed, of kind EVENTS) into packer->out, as the
 * payload of a chunk of kind PACKED whose raw_size is the rows' size. False: it does
 * not pay, the rows are damaged, or there is no memory; they are then kept as they are.
 */
bool marey_pack_events(struct marey_packer *packer, const struct marey_extent *extent,
                       const uint8_t *rows);
/* The same for definitions and blobs, whose codec then is MAREY_CODEC_ZSTD. */
bool marey_pack_records(struct marey_packer *packer, const uint8_t *records,
                        size_t size_bytes);

#endif
