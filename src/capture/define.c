/* The definition stream: strings, files, functions, lanes, clocks, written before their
 * first use.
 *
 * Records go into a slot of their own under one lock; the first byte of a record is
 * stored last, so that a killed process leaves whole records. Strings, files and
 * functions keep their ids for the life of the process: their records are kept in a log
 * and written again at the start of each further recording. A forked child shares all
 * that was defined before the fork and says so by three numbers.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/table.h"
#include "base/varint.h"
#include "capture/budget.h"
#include "capture/recording.h"

#define FUNCTION_BLOCK 256
#define FUNCTION_BLOCKS (MAREY_FUNCTION_ID_MAX / FUNCTION_BLOCK)
#define NAME_KEPT_MAX 65536 /* longer names are cut; 1 MB names stay one line each */

/* Bytes that grow. Failure to grow drops the record and is counted nowhere: memory is
 * gone, and the program has other troubles. */
struct log {
    uint8_t *bytes; /* owned */
    size_t size, capacity;
};

static struct marey_intern strings;
static struct marey_intern files;
static struct marey_function **function_blocks; /* owned, never moved */
static uint32_t function_count;
static struct log lasting; /* records of strings, files, functions */
static pthread_mutex_t tables_lock = PTHREAD_MUTEX_INITIALIZER;

static bool
log_room(struct log *log, size_t more)
{
    if (log->size + more <= log->capacity)
        return true;
    size_t capacity = (log->size + more) * 2;
    uint8_t *bytes = realloc(log->bytes, capacity);
    if (bytes == NULL)
        return false;
    log->bytes = bytes;
    log->capacity = capacity;
    return true;
}

/* ---- a record under construction ---- */

struct record {
    uint8_t head[256]; /* fixed fields */
    size_t head_size;
    const void *text; /* borrowed; the rest of the record */
    size_t text_size;
};

static void
put_number(struct record *record, uint64_t value)
{
    record->head_size += marey_varint_put(record->head + record->head_size, value);
}

static void
put_u64(struct record *record, uint64_t value)
{
    memcpy(record->head + record->head_size, &value, sizeof(value));
    record->head_size += sizeof(value);
}

static struct record
record_of(uint8_t tag)
{
    return (struct record){.head = {tag}, .head_size = 1};
}

/* ---- the stream ---- */

static bool
slot_start(struct marey_recording *recording, uint32_t size)
{
    struct definitions *d = &recording->definitions;
    struct marey_chunk chunk = {
        .kind = MAREY_EXTENT_DEFINITIONS,
        .process = recording->process,
        .sequence = ++d->sequence,
        .base_ticks = marey_recording_ticks(recording),
        .first_index = d->first_index,
    };

    if (d->slot.bytes == NULL && !marey_slot_take(recording->file, size, &d->slot))
        return false;
    d->size = 0;
    d->record_count = 0;
    marey_slot_begin(&d->slot, &chunk);
    return true;
}

/* With `settles` the chunk stays where it is, and the slot is gone. */
static void
slot_end(struct marey_recording *recording, bool settles)
{
    struct definitions *d = &recording->definitions;
    uint64_t now = marey_recording_ticks(recording);

    if (d->slot.bytes == NULL)
        return;
    if (settles)
        marey_slot_settle(recording->file, &d->slot, d->size, d->record_count, now);
    else
        marey_slot_flush(recording->file, &d->slot, d->size, d->record_count, now);
    d->first_index += d->record_count;
    d->record_count = 0;
}

/* A record that no slot can hold goes to the tail as a chunk of its own. */
static void
append_large(struct marey_recording *recording, const uint8_t *head, size_t head_size,
             const void *text, size_t text_size)
{
    struct definitions *d = &recording->definitions;

    slot_end(recording, false);
    /* Not before the end of the slot that was just ended. */
    uint64_t now = marey_recording_ticks(recording);
    marey_chunk_append(recording->file,
                       &(struct marey_chunk){.kind = MAREY_EXTENT_DEFINITIONS,
                                             .process = recording->process,
                                             .sequence = ++d->sequence,
                                             .base_ticks = now,
                                             .first_index = d->first_index},
                       head, head_size, text, text_size, MAREY_CODEC_NONE, 0);
    d->first_index++;
    slot_start(recording, marey_slot_size_max(recording->file));
}

/* Puts whole bytes of one record into the stream. The lock is held. */
static void
stream_put(struct marey_recording *recording, const uint8_t *head, size_t head_size,
           const void *text, size_t text_size)
{
    struct definitions *d = &recording->definitions;
    size_t size = head_size + text_size;
    size_t header = sizeof(struct marey_extent_header);

    if (d->slot.bytes == NULL && !slot_start(recording, MAREY_SLOT_SIZE_MIN))
        return;
    if (header + d->size + size > d->slot.size_bytes) {
        uint32_t next = d->slot.size_bytes * 4,
                 largest = marey_slot_size_max(recording->file);
        if (header + size > largest) {
            append_large(recording, head, head_size, text, text_size);
            return;
        }
        slot_end(recording, next <= largest);
        while (next < header + size)
            next *= 4;
        if (!slot_start(recording, next > largest ? largest : next))
            return;
        if (header + d->size + size > d->slot.size_bytes)
            return; /* only smaller slots are left on a full disk */
    }
    uint8_t *at = d->slot.bytes + header + d->size;
    memcpy(at + 1, head + 1, head_size - 1);
    if (text_size > 0)
        memcpy(at + head_size, text, text_size);
    __atomic_store_n(at, head[0], __ATOMIC_RELEASE);
    d->size += (uint32_t)size;
    d->record_count++;
}

/* Puts the record into the stream, and into the log where it lasts. The lock of the
 * tables is held; `recording` may be NULL. */
static void
put_record(struct marey_recording *recording, const struct record *record, bool lasts)
{
    uint8_t head[sizeof(record->head) + MAREY_VARINT_SIZE_MAX];
    size_t size = marey_varint_put(head, record->head_size + record->text_size);

    memcpy(head + size, record->head, record->head_size);
    size += record->head_size;
    if (lasts && log_room(&lasting, size + record->text_size)) {
        memcpy(lasting.bytes + lasting.size, head, size);
        if (record->text_size > 0)
            memcpy(lasting.bytes + lasting.size + size, record->text,
                   record->text_size);
        lasting.size += size + record->text_size;
    }
    if (recording == NULL)
        return;
    pthread_mutex_lock(&recording->definitions.lock);
    stream_put(recording, head, size, record->text, record->text_size);
    pthread_mutex_unlock(&recording->definitions.lock);
}

static struct marey_recording *
recording_now(void)
{
    return atomic_load_explicit(&marey_recording_now, memory_order_acquire);
}

/* A forked child becomes a process of its own before it defines anything: its parent's
 * slot is still mapped. */
static void
lock_tables(void)
{
    if (atomic_load_explicit(&marey_is_forked, memory_order_acquire))
        marey_recording_adopt();
    pthread_mutex_lock(&tables_lock);
}

/* ---- strings, files, functions ---- */

/* The id of the text, counted from 1; 0: out of memory. */
static uint32_t
intern(struct marey_intern *table, const char *bytes, size_t size_bytes, bool *is_new)
{
    size_t count = table->count;
    uint32_t index;

    *is_new = false;
    if (!marey_intern_put(table, bytes, size_bytes, &index))
        return 0;
    *is_new = table->count > count;
    return index + 1;
}

uint32_t
marey_define_string(const char *bytes, size_t size_bytes)
{
    bool is_new;

    if (size_bytes > NAME_KEPT_MAX)
        size_bytes = NAME_KEPT_MAX;
    lock_tables();
    uint32_t id = intern(&strings, bytes, size_bytes, &is_new);
    if (is_new) {
        struct record record = record_of(MAREY_DEF_STRING);
        put_number(&record, id);
        record.text = bytes;
        record.text_size = size_bytes;
        put_record(recording_now(), &record, true);
    }
    pthread_mutex_unlock(&tables_lock);
    return id;
}

uint32_t
marey_define_file(const char *path, size_t size_bytes, uint64_t source_key)
{
    bool is_new;

    if (size_bytes > NAME_KEPT_MAX)
        size_bytes = NAME_KEPT_MAX;
    lock_tables();
    uint32_t id = intern(&files, path, size_bytes, &is_new);
    if (is_new) {
        struct record record = record_of(MAREY_DEF_FILE);
        put_number(&record, id);
        put_u64(&record, source_key);
        record.text = path;
        record.text_size = size_bytes;
        put_record(recording_now(), &record, true);
    }
    pthread_mutex_unlock(&tables_lock);
    return id;
}

static struct marey_function *
new_function(void)
{
    if (function_blocks == NULL)
        function_blocks = calloc(FUNCTION_BLOCKS, sizeof(*function_blocks));
    if (function_blocks == NULL ||
        function_count >= MAREY_FUNCTION_ID_MAX - FUNCTION_BLOCK)
        return NULL;
    struct marey_function **block = &function_blocks[function_count / FUNCTION_BLOCK];
    if (*block == NULL)
        *block = calloc(FUNCTION_BLOCK, sizeof(**block));
    if (*block == NULL)
        return NULL;
    struct marey_function *function = &(*block)[function_count++ % FUNCTION_BLOCK];
    uint8_t code[1 + MAREY_VARINT_SIZE_MAX] = {MAREY_TOKEN_ENTER};
    function->id = function_count;
    function->enter_size = 1 + (uint32_t)marey_varint_put(code + 1, function->id);
    memcpy(&function->enter, code, sizeof(function->enter));
    return function;
}

struct marey_function *
marey_define_function(const char *name, size_t name_size, uint32_t module,
                      uint32_t file, uint32_t line, uint16_t flags)
{
    if (name_size > NAME_KEPT_MAX)
        name_size = NAME_KEPT_MAX;
    lock_tables();
    struct marey_function *function = new_function();
    if (function != NULL) {
        function->flags = flags;
        function->base = function;
        struct record record = record_of(MAREY_DEF_FUNCTION);
        put_number(&record, function->id);
        put_number(&record, flags);
        put_number(&record, line);
        put_number(&record, module);
        put_number(&record, file);
        record.text = name;
        record.text_size = name_size;
        put_record(recording_now(), &record, true);
    }
    pthread_mutex_unlock(&tables_lock);
    return function;
}

struct marey_function *
marey_define_call_site(const struct marey_function *function,
                       const struct marey_function *caller, uint32_t line)
{
    lock_tables();
    struct marey_function *site = new_function();
    if (site != NULL) {
        site->flags = function->flags;
        site->base = function;
        struct record record = record_of(MAREY_DEF_CALL_SITE);
        put_number(&record, site->id);
        put_number(&record, function->id);
        put_number(&record, caller->id);
        put_number(&record, line);
        put_record(recording_now(), &record, true);
    }
    pthread_mutex_unlock(&tables_lock);
    return site;
}

void
marey_each_function(void (*visit)(struct marey_function *function, void *context),
                    void *context)
{
    for (uint32_t i = 0; i < function_count; i++) {
        struct marey_function *function =
            &function_blocks[i / FUNCTION_BLOCK][i % FUNCTION_BLOCK];
        if (function->base == function)
            visit(function, context);
    }
}

/* ---- the rest ---- */

/* A record that belongs to this recording alone. */
static void
put_passing(struct marey_recording *recording, const struct record *record)
{
    if (atomic_load_explicit(&marey_is_forked, memory_order_acquire))
        marey_recording_adopt();
    put_record(recording, record, false);
}

void
marey_define_note(const char *text)
{
    struct record record = record_of(MAREY_DEF_NOTE);

    record.text = text;
    record.text_size = strlen(text);
    put_passing(recording_now(), &record);
}

void
marey_define_cost(uint32_t kind, uint64_t picoseconds)
{
    struct record record = record_of(MAREY_DEF_COST);

    put_number(&record, kind);
    put_number(&record, picoseconds);
    put_passing(recording_now(), &record);
    marey_budget_cost(kind, picoseconds);
}

void
marey_define_left_out(const struct marey_function *function)
{
    struct marey_recording *recording = recording_now();
    struct record record = record_of(MAREY_DEF_LEFT_OUT);

    if (recording == NULL)
        return;
    put_number(&record, function->id);
    put_u64(&record, marey_recording_ticks(recording));
    put_passing(recording, &record);
}

void
marey_define_unrecorded(const struct marey_function *function)
{
    struct marey_recording *recording = recording_now();
    struct record record = record_of(MAREY_DEF_UNRECORDED);

    if (recording == NULL)
        return;
    put_number(&record, function->id);
    put_u64(&record, marey_recording_ticks(recording));
    put_number(&record, function->calls_counted);
    put_number(&record, function->calls_estimated);
    put_passing(recording, &record);
}

struct marey_function *
marey_function_of_id(uint32_t id)
{
    uint32_t index = id - 1;

    return index < function_count
               ? &function_blocks[index / FUNCTION_BLOCK][index % FUNCTION_BLOCK]
               : NULL;
}

/* More room for lanes of a ring: a chunk between two of the other definitions. */
static bool
add_places(struct marey_recording *recording)
{
    struct definitions *d = &recording->definitions;
    bool has_slot = d->slot.bytes != NULL;
    uint32_t count = 0;

    slot_end(recording, false);
    if (marey_places_add(recording, d->sequence + 1, d->first_index, &count)) {
        d->sequence++;
        d->first_index += count;
    }
    if (has_slot)
        slot_start(recording, d->slot.size_bytes);
    return count > 0;
}

/* Has `place` make use of a place that is there, or made. False: it goes into the
 * stream as any definition does. */
static bool
in_place(struct marey_recording *recording, struct marey_lane *lane,
         bool (*place)(struct marey_recording *recording, struct marey_lane *lane))
{
    struct definitions *d = &recording->definitions;

    if (!marey_places_are_used(recording))
        return false;
    pthread_mutex_lock(&d->lock);
    bool is_done = (marey_places_have_room(recording) || add_places(recording)) &&
                   place(recording, lane);
    pthread_mutex_unlock(&d->lock);
    return is_done;
}

void
marey_define_lane(struct marey_recording *recording, struct marey_lane *lane)
{
    struct record record = record_of(MAREY_DEF_LANE);

    if (in_place(recording, lane, marey_place_take))
        return;
    put_number(&record, lane->serial);
    put_number(&record, MAREY_LANE_THREAD);
    put_number(&record, (lane->is_main ? MAREY_LANE_MAIN : 0) |
                            (lane->is_earlier ? MAREY_LANE_EARLIER : 0));
    put_number(&record, lane->native_id);
    put_u64(&record, lane->python_id);
    put_u64(&record, lane->last_ticks);
    put_number(&record, 0);
    record.text = lane->name;
    record.text_size = strlen(lane->name);
    put_passing(recording, &record);
}

void
marey_define_lane_name(struct marey_recording *recording, struct marey_lane *lane)
{
    struct record record = record_of(MAREY_DEF_LANE_NAME);

    if (lane->place != NULL && in_place(recording, lane, marey_place_rename))
        return;
    put_number(&record, lane->serial);
    record.text = lane->name;
    record.text_size = strlen(lane->name);
    put_passing(recording, &record);
}

void
marey_define_lane_end(struct marey_recording *recording, struct marey_lane *lane,
                      uint64_t ticks)
{
    struct record record = record_of(MAREY_DEF_LANE_END);

    if (lane->place != NULL) {
        pthread_mutex_lock(&recording->definitions.lock);
        marey_place_end(recording, lane, ticks);
        pthread_mutex_unlock(&recording->definitions.lock);
        return;
    }
    put_number(&record, lane->serial);
    put_u64(&record, ticks);
    put_passing(recording, &record);
}

void
marey_define_clock(struct marey_recording *recording)
{
    struct record record = record_of(MAREY_DEF_CLOCK);
    struct marey_clock_pair pair;

    marey_clock_pair_read(&recording->clock, &pair);
    put_u64(&record, pair.ticks);
    put_u64(&record, pair.monotonic_ns);
    put_u64(&record, pair.boottime_ns);
    put_u64(&record, pair.realtime_ns);
    put_passing(recording, &record);
}

void
marey_define_process_end(struct marey_recording *recording, int exit_status,
                         bool has_exit_status)
{
    struct record record = record_of(MAREY_DEF_PROCESS_END);

    put_u64(&record, marey_recording_ticks(recording));
    put_number(&record, marey_zigzag(exit_status));
    put_number(&record, has_exit_status);
    put_passing(recording, &record);
}

void
marey_define_child_end(uint64_t pid, int exit_status)
{
    struct marey_recording *recording = recording_now();
    struct record record = record_of(MAREY_DEF_CHILD_END);

    if (recording == NULL)
        return;
    put_u64(&record, marey_recording_ticks(recording));
    put_number(&record, pid);
    put_number(&record, marey_zigzag(exit_status));
    put_passing(recording, &record);
}

void
marey_define_exec(bool has_failed)
{
    struct marey_recording *recording = recording_now();
    struct record record = record_of(MAREY_DEF_EXEC);

    if (recording == NULL)
        return;
    put_u64(&record, marey_recording_ticks(recording));
    put_number(&record, !has_failed);
    put_passing(recording, &record);
}

/* ---- the process ---- */

static void
log_bytes(struct log *log, const void *bytes, size_t size)
{
    uint8_t number[MAREY_VARINT_SIZE_MAX];
    size_t number_size = marey_varint_put(number, size);

    if (!log_room(log, number_size + size))
        return;
    memcpy(log->bytes + log->size, number, number_size);
    memcpy(log->bytes + log->size + number_size, bytes, size);
    log->size += number_size + size;
}

static void
log_text(struct log *log, const char *text)
{
    log_bytes(log, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static struct log process_texts; /* owned: kept for forked children */
static uint32_t process_argument_count;

static void
put_process(struct marey_recording *recording, uint32_t parent, bool inherits)
{
    struct record record = record_of(MAREY_DEF_PROCESS);
    size_t texts_size = process_texts.size;

    put_number(&record, (uint64_t)getpid());
    put_number(&record, (uint64_t)getppid());
    put_number(&record, parent);
    put_u64(&record, recording->start_ticks);
    put_number(&record, inherits ? strings.count : 0);
    put_number(&record, inherits ? files.count : 0);
    put_number(&record, inherits ? function_count : 0);
    put_number(&record, process_argument_count);
    if (log_room(&process_texts, MAREY_VARINT_SIZE_MAX))
        process_texts.size +=
            marey_varint_put(process_texts.bytes + process_texts.size, recording->flow);
    record.text = process_texts.bytes;
    record.text_size = process_texts.size;
    put_passing(recording, &record);
    process_texts.size = texts_size;
}

void
marey_definitions_start(struct marey_recording *recording, uint32_t parent,
                        const struct marey_process_texts *texts,
                        const char *options_text)
{
    struct record options = record_of(MAREY_DEF_OPTIONS);
    size_t at = 0;

    pthread_mutex_init(&recording->definitions.lock, NULL);
    process_texts.size = 0;
    process_argument_count = texts->argument_count;
    for (uint32_t i = 0; i < texts->argument_count; i++)
        log_text(&process_texts, texts->arguments[i]);
    log_text(&process_texts, texts->executable);
    log_text(&process_texts, texts->version);
    log_text(&process_texts, texts->directory);
    log_text(&process_texts, texts->program);
    put_process(recording, parent, false);
    marey_define_clock(recording);
    options.text = options_text;
    options.text_size = options_text == NULL ? 0 : strlen(options_text);
    put_passing(recording, &options);
    /* What earlier recordings of this process defined. */
    pthread_mutex_lock(&tables_lock);
    while (at < lasting.size) {
        uint64_t size = 0;
        size_t used = marey_varint_get(lasting.bytes + at, lasting.size - at, &size);
        pthread_mutex_lock(&recording->definitions.lock);
        stream_put(recording, lasting.bytes + at, used + (size_t)size, NULL, 0);
        pthread_mutex_unlock(&recording->definitions.lock);
        at += used + (size_t)size;
    }
    pthread_mutex_unlock(&tables_lock);
}

void
marey_definitions_forked(struct marey_recording *recording, uint32_t parent)
{
    struct definitions *d = &recording->definitions;

    pthread_mutex_init(&tables_lock, NULL);
    marey_places_forget(&d->places);
    *d = (struct definitions){0};
    pthread_mutex_init(&d->lock, NULL);
    put_process(recording, parent, true);
    marey_define_clock(recording);
}

void
marey_definitions_spill(struct marey_recording *recording)
{
    pthread_mutex_lock(&recording->definitions.lock);
    slot_end(recording, true);
    pthread_mutex_unlock(&recording->definitions.lock);
}

void
marey_definitions_stop(struct marey_recording *recording)
{
    pthread_mutex_lock(&recording->definitions.lock);
    slot_end(recording, true);
    marey_places_stop(recording);
    pthread_mutex_unlock(&recording->definitions.lock);
}

/* ---- sources ---- */

void
marey_store_source(uint64_t key, const char *path, size_t path_size, const char *text,
                   size_t text_size)
{
    struct marey_recording *recording = recording_now();
    uint8_t number[MAREY_VARINT_SIZE_MAX];
    size_t number_size = marey_varint_put(number, path_size);
    size_t head_size = sizeof(key) + number_size + path_size;

    if (recording == NULL)
        return;
    if (atomic_load_explicit(&marey_is_forked, memory_order_acquire))
        marey_recording_adopt();
    if (path_size > NAME_KEPT_MAX || marey_file_has_source(recording->file, key))
        return;
    uint8_t *buffer = malloc(head_size + text_size);
    if (buffer == NULL)
        return;
    memcpy(buffer, &key, sizeof(key));
    memcpy(buffer + sizeof(key), number, number_size);
    memcpy(buffer + sizeof(key) + number_size, path, path_size);
    size_t packed = marey_compress(buffer + head_size, text_size, text, text_size);
    pthread_mutex_lock(&recording->definitions.lock);
    uint64_t sequence = ++recording->definitions.source_sequence;
    pthread_mutex_unlock(&recording->definitions.lock);
    marey_chunk_append(
        recording->file,
        &(struct marey_chunk){.kind = MAREY_EXTENT_SOURCE,
                              .process = recording->process,
                              .sequence = sequence,
                              .first_index = sequence - 1,
                              .base_ticks = recording->start_ticks},
        buffer, head_size, packed > 0 ? buffer + head_size : (const uint8_t *)text,
        packed > 0 ? packed : text_size,
        packed > 0 ? MAREY_CODEC_ZSTD : MAREY_CODEC_NONE, (uint32_t)text_size);
    free(buffer);
}
