/* The trace file as its writers see it: a mapped first page of counters, space taken
 * from the tail, slots filled in place.
 *
 *      page 0          slot              closed chunk   closed chunk   slot
 *   | header, tail | MCHK … zeros … | MCHK events    | MCHK defs    | MCHK …
 *
 * Invariants: space once taken is never given back, so an offset belongs to one writer;
 * a slot's header names its own offset; a slot that holds nothing has sequence 0.
 * Slots are allocated with posix_fallocate, never sparse: a full disk is an error code
 * here and not a SIGBUS at some later store.
 *
 * Where the file system cannot map, the first page is updated under a lock of the file
 * and slots live in plain memory: the format is the same, the last chunk of a killed
 * process is lost, and the header says so (MAREY_FILE_UNMAPPED).
 */
#include "marey/format_put.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/descriptor.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SLOT_CLASSES 7 /* 4 KiB and times four, to 16 MiB */
#define RING_CELL_SIZE 65536
#define RING_CELLS_MIN 16
#define POOL_SLOTS_MAX 64 /* kept for reuse, a class; more are left to the file */

struct slot_pool {
    struct marey_slot slots[POOL_SLOTS_MAX];
    uint32_t count;
};

struct marey_file {
    int fd;
    dev_t device; /* with inode: which file fd must be */
    ino_t inode;
    char *path; /* owned; absolute where the caller's was */
    bool is_mapped;
    struct marey_file_header *header; /* shared by all processes; or a private copy */
    struct marey_clock clock;
    pthread_mutex_t lock; /* of the pools */
    struct slot_pool pools[SLOT_CLASSES];
};

static const uint32_t class_sizes[SLOT_CLASSES] = {4096,    16384,   65536,   262144,
                                                   1048576, 4194304, 16777216};
static_assert(16777216 == MAREY_SLOT_SIZE_DEEP, "the largest class");

static uint64_t
align_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* ---- the counters of the first page ---- */

/* Adds to a 64-bit counter of the first page and returns what it was. */
static uint64_t
counter_add(struct marey_file *file, uint64_t *field, uint64_t amount)
{
    if (file->is_mapped)
        return __atomic_fetch_add(field, amount, __ATOMIC_RELAXED);

    off_t at = (off_t)((uint8_t *)field - (uint8_t *)file->header);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    uint64_t value = 0;
    pthread_mutex_lock(&file->lock);
    fcntl(file->fd, F_OFD_SETLKW, &lock);
    if (pread(file->fd, &value, sizeof(value), at) != sizeof(value))
        value = *field;
    uint64_t sum = value + amount;
    *field = sum;
    if (pwrite(file->fd, &sum, sizeof(sum), at) != sizeof(sum))
        *field = sum; /* a full disk: our own copy goes on counting */
    lock.l_type = F_UNLCK;
    fcntl(file->fd, F_OFD_SETLK, &lock);
    pthread_mutex_unlock(&file->lock);
    return value;
}

static uint32_t
serial_take(struct marey_file *file, uint32_t *field)
{
    if (file->is_mapped)
        return __atomic_add_fetch(field, 1, __ATOMIC_RELAXED);
    /* The two serials share one aligned 64-bit word: process low, lane high. */
    uint64_t *word = (uint64_t *)(void *)&file->header->process_count;
    bool is_high = field == &file->header->lane_count;
    uint64_t was = counter_add(file, word, is_high ? UINT64_C(1) << 32 : 1);
    return (uint32_t)(is_high ? was >> 32 : was) + 1;
}

/* Takes `size` bytes whose start is a multiple of `align`. Bytes before it that the
 * alignment leaves over are reported through *gap. */
static uint64_t
take_space(struct marey_file *file, uint64_t size, uint64_t align, uint64_t *gap)
{
    if (!file->is_mapped || align == MAREY_EXTENT_ALIGN) {
        *gap = 0;
        return counter_add(file, &file->header->tail, size);
    }
    uint64_t tail = __atomic_load_n(&file->header->tail, __ATOMIC_RELAXED);
    uint64_t start;
    do {
        start = align_up(tail, align);
        if (start - tail > 0 && start - tail < sizeof(struct marey_extent_header))
            start += align; /* a gap must have room to say that it is one */
    } while (!__atomic_compare_exchange_n(&file->header->tail, &tail, start + size,
                                          true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    *gap = start - tail;
    return start;
}

/* ---- headers ---- */

void
marey_extent_seal(struct marey_extent_header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;

    header->place_check = XXH32(bytes, 28, 0);
    if (header->state == MAREY_STATE_CLOSED)
        header->content_check = XXH32(bytes + 32, 92, 0);
}

static void
place(struct marey_extent_header *header, uint8_t kind, uint64_t offset, uint32_t size)
{
    memset(header, 0, sizeof(*header));
    header->magic = MAREY_EXTENT_MAGIC;
    header->kind = kind;
    header->header_size = sizeof(*header);
    header->offset = offset;
    header->extent_size = size;
}

static void
pad_gap(struct marey_file *file, uint64_t offset, uint64_t gap)
{
    struct marey_extent_header header;

    place(&header, MAREY_EXTENT_PAD, offset, (uint32_t)gap);
    marey_extent_seal(&header);
    ssize_t written = pwrite(file->fd, &header, sizeof(header), (off_t)offset);
    (void)written; /* a gap without a header is a hole: told, and stepped over */
}

/* Whether fd still is the trace. */
static bool
is_trace(const struct marey_file *file, int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

/* The descriptor to write through. A program may close descriptors that are not its own
 * (daemons close all), and open its own files under our number: so it is looked at
 * before every write, and the trace opened again by name. -1: it cannot be had. */
static int
sure_fd(struct marey_file *file)
{
    int fd = file->fd;

    if (is_trace(file, fd))
        return fd;
    fd = open(file->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && !is_trace(file, fd)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        file->fd = fd = marey_descriptor_move_high(fd);
    return fd;
}

const char *
marey_file_path(const struct marey_file *file)
{
    return file->path;
}

int
marey_file_dup(struct marey_file *file)
{
    return fcntl(sure_fd(file), F_DUPFD_CLOEXEC, MAREY_DESCRIPTOR_HIGH);
}

static bool
write_all(int fd, struct iovec *parts, int part_count, uint64_t offset)
{
    while (part_count > 0) {
        ssize_t written = pwritev(fd, parts, part_count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        offset += (uint64_t)written;
        while (part_count > 0 && (size_t)written >= parts->iov_len) {
            written -= (ssize_t)parts->iov_len;
            parts++;
            part_count--;
        }
        if (part_count > 0) {
            parts->iov_base = (uint8_t *)parts->iov_base + written;
            parts->iov_len -= (size_t)written;
        }
    }
    return true;
}

/* ---- slots ---- */

bool
marey_file_is_ring(const struct marey_file *file)
{
    return (file->header->flags & MAREY_FILE_RING) != 0;
}

uint64_t
marey_file_ring_next(const struct marey_file *file, uint32_t *cell_count)
{
    *cell_count = file->header->ring_cell_count;
    return __atomic_load_n(&file->header->ring_next, __ATOMIC_ACQUIRE);
}

bool
marey_file_is_mapped(const struct marey_file *file)
{
    return file->is_mapped;
}

uint32_t
marey_slot_size_max(const struct marey_file *file)
{
    return marey_file_is_ring(file) ? RING_CELL_SIZE : MAREY_SLOT_SIZE_MAX;
}

static int
class_of(uint32_t size_bytes)
{
    int rank = 0;

    while (rank < SLOT_CLASSES - 1 && class_sizes[rank] < size_bytes)
        rank++;
    return rank;
}

static bool
map_slot(struct marey_file *file, uint32_t size, struct marey_slot *out)
{
    uint64_t gap, offset = take_space(file, size, MAREY_PAGE_SIZE, &gap);

    if (gap > 0)
        pad_gap(file, offset - gap, gap);
    int fd = sure_fd(file);
    if (posix_fallocate(fd, (off_t)offset, size) != 0)
        return false; /* a hole stays in the file; readers step over it */
    void *bytes =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    if (bytes == MAP_FAILED)
        return false;
    *out = (struct marey_slot){bytes, offset, size};
    return true;
}

bool
marey_slot_take(struct marey_file *file, uint32_t size_bytes, struct marey_slot *out)
{
    int rank = class_of(size_bytes);
    struct slot_pool *pool = &file->pools[rank];
    struct marey_slot slot = {0};

    pthread_mutex_lock(&file->lock);
    if (pool->count > 0)
        slot = pool->slots[--pool->count];
    pthread_mutex_unlock(&file->lock);
    if (slot.bytes == NULL && file->is_mapped) {
        if (!map_slot(file, class_sizes[rank], &slot))
            return false;
    } else if (slot.bytes == NULL) {
        slot.size_bytes = class_sizes[rank];
        slot.bytes = mmap(NULL, slot.size_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (slot.bytes == MAP_FAILED)
            return false;
    }
    *out = slot;
    return true;
}

void
marey_slot_give(struct marey_file *file, struct marey_slot *slot)
{
    struct slot_pool *pool = &file->pools[class_of(slot->size_bytes)];
    bool is_kept = false;

    if (slot->bytes == NULL)
        return;
    bool is_foreign = file->is_mapped && slot->offset == 0; /* memory, on a full disk */
    pthread_mutex_lock(&file->lock);
    if (pool->count < POOL_SLOTS_MAX && !is_foreign) {
        pool->slots[pool->count++] = *slot;
        is_kept = true;
    }
    pthread_mutex_unlock(&file->lock);
    if (!is_kept)
        munmap(slot->bytes, slot->size_bytes);
    *slot = (struct marey_slot){0};
}

void
marey_slot_begin(struct marey_slot *slot, const struct marey_chunk *chunk)
{
    struct marey_extent_header *header = (struct marey_extent_header *)slot->bytes;

    place(header, chunk->kind, slot->offset, slot->size_bytes);
    header->flags = MAREY_EXTENT_SLOT;
    header->process = chunk->process;
    header->lane = chunk->lane;
    header->base_ticks = chunk->base_ticks;
    header->first_index = chunk->first_index;
    header->snapshot_size = chunk->snapshot_size;
    header->start_depth = chunk->start_depth;
    header->state = MAREY_STATE_OPEN;
    marey_extent_seal(header);
    /* Last: from here on the slot holds this chunk. */
    __atomic_store_n(&header->sequence, chunk->sequence, __ATOMIC_RELEASE);
}

/* ---- closed chunks ---- */

/* Where the next closed chunk of `size` bytes goes; fills in the header's place. */
static uint64_t
take_chunk_place(struct marey_file *file, struct marey_extent_header *header,
                 uint64_t size)
{
    struct marey_file_header *shared = file->header;
    uint64_t gap;

    if ((shared->flags & MAREY_FILE_RING) != 0 &&
        (header->kind == MAREY_EXTENT_EVENTS || header->kind == MAREY_EXTENT_BLOBS) &&
        size <= shared->ring_cell_size) {
        uint64_t cell =
            counter_add(file, &shared->ring_next, 1) % shared->ring_cell_count;
        header->flags = MAREY_EXTENT_CELL;
        header->extent_size = shared->ring_cell_size;
        return shared->ring_offset + cell * shared->ring_cell_size;
    }
    header->flags = 0;
    header->extent_size = (uint32_t)size;
    return take_space(file, size, MAREY_EXTENT_ALIGN, &gap);
}

static bool
write_chunk(struct marey_file *file, struct marey_extent_header *header,
            struct iovec *parts, int part_count)
{
    static const uint8_t zeros[MAREY_EXTENT_ALIGN];
    uint64_t size = sizeof(*header) + header->payload_size;
    uint64_t padded = align_up(size, MAREY_EXTENT_ALIGN);

    header->state = MAREY_STATE_CLOSED;
    header->offset = take_chunk_place(file, header, padded);
    marey_extent_seal(header);
    parts[0] = (struct iovec){header, sizeof(*header)};
    parts[part_count] = (struct iovec){(void *)zeros, padded - size};
    uint64_t offset = header->offset;
    int fd = sure_fd(file);
    if (write_all(fd, parts, part_count + 1, offset))
        return true;
    /* A full disk: what there is of it becomes a hole again, for half a chunk is none.
     * Where that is not supported readers find a damaged chunk. */
    int status = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           (off_t)offset, (off_t)padded);
    (void)status;
    return false;
}

bool
marey_slot_flush(struct marey_file *file, struct marey_slot *slot,
                 uint32_t payload_size, uint32_t record_count, uint64_t end_ticks)
{
    struct marey_extent_header *live = (struct marey_extent_header *)slot->bytes;
    struct marey_extent_header header = *live;
    uint8_t *payload = slot->bytes + sizeof(header);
    struct iovec parts[3] = {{0}, {payload, payload_size}};

    header.payload_size = payload_size;
    header.record_count = record_count;
    header.end_ticks = end_ticks;
    header.payload_check = XXH64(payload, payload_size, 0);
    bool is_written = write_chunk(file, &header, parts, 2);
    /* The chunk now stands at the tail. First the slot says that it holds nothing, then
     * its bytes go; a kill between leaves no half chunk. */
    __atomic_store_n(&live->sequence, 0, __ATOMIC_RELEASE);
    atomic_signal_fence(memory_order_seq_cst);
    memset(payload, 0, payload_size);
    return is_written;
}

bool
marey_slot_settle(struct marey_file *file, struct marey_slot *slot,
                  uint32_t payload_size, uint32_t record_count, uint64_t end_ticks)
{
    struct marey_extent_header *live = (struct marey_extent_header *)slot->bytes;
    struct marey_extent_header header;
    uint64_t seal;

    if (slot->offset == 0) {
        bool is_written =
            marey_slot_flush(file, slot, payload_size, record_count, end_ticks);
        marey_slot_give(file, slot);
        return is_written;
    }
    live->end_ticks = end_ticks;
    live->payload_size = payload_size;
    live->record_count = record_count;
    live->payload_check = XXH64(slot->bytes + sizeof(*live), payload_size, 0);
    header = *live;
    header.state = MAREY_STATE_CLOSED;
    marey_extent_seal(&header);
    /* State and check are one aligned word: the chunk is open or closed, never between.
     */
    memcpy(&seal, &header.state, sizeof(seal));
    __atomic_store_n((uint64_t *)(void *)&live->state, seal, __ATOMIC_RELEASE);
    munmap(slot->bytes, slot->size_bytes);
    *slot = (struct marey_slot){0};
    return true;
}

bool
marey_chunk_append(struct marey_file *file, const struct marey_chunk *chunk,
                   const void *head, size_t head_size, const void *body,
                   size_t body_size, uint8_t codec, uint32_t raw_size)
{
    struct marey_extent_header header;
    struct iovec parts[4] = {{0}, {(void *)head, head_size}, {(void *)body, body_size}};
    XXH64_state_t state;

    if (head_size + body_size > MAREY_PAYLOAD_RAW_MAX)
        return false;
    place(&header, chunk->kind, 0, 0);
    header.process = chunk->process;
    header.lane = chunk->lane;
    header.sequence = chunk->sequence;
    header.base_ticks = header.end_ticks = chunk->base_ticks;
    header.first_index = chunk->first_index;
    header.payload_size = (uint32_t)(head_size + body_size);
    header.record_count = 1;
    header.codec = codec;
    header.raw_size = raw_size;
    XXH64_reset(&state, 0);
    XXH64_update(&state, head, head_size);
    if (body_size > 0)
        XXH64_update(&state, body, body_size);
    header.payload_check = XXH64_digest(&state);
    return write_chunk(file, &header, parts, 3);
}

/* ---- sources ---- */

bool
marey_file_has_source(struct marey_file *file, uint64_t key)
{
    uint64_t *keys = file->header->source_keys;

    for (uint32_t i = 0; i < 16; i++) {
        uint64_t *entry = &keys[(key + i) % MAREY_SOURCE_KEYS];
        uint64_t expected = 0;
        if (__atomic_compare_exchange_n(entry, &expected, key, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return false;
        if (expected == key)
            return true;
    }
    return false; /* the set is full here: stored twice at worst */
}

/* ---- counts ---- */

const struct marey_clock *
marey_file_clock(const struct marey_file *file)
{
    return &file->clock;
}

uint32_t
marey_file_take_process(struct marey_file *file)
{
    return serial_take(file, &file->header->process_count);
}

uint32_t
marey_file_take_lane(struct marey_file *file)
{
    return serial_take(file, &file->header->lane_count);
}

void
marey_file_count(struct marey_file *file, uint64_t event_count, uint64_t lost_count)
{
    counter_add(file, &file->header->event_count, event_count);
    if (lost_count > 0)
        counter_add(file, &file->header->lost_count, lost_count);
}

void
marey_file_counts(struct marey_file *file, struct marey_file_counts *out)
{
    const struct marey_file_header *header = file->header;
    struct stat status;

    out->event_count = __atomic_load_n(&header->event_count, __ATOMIC_RELAXED);
    out->lost_count = __atomic_load_n(&header->lost_count, __ATOMIC_RELAXED);
    out->process_count = __atomic_load_n(&header->process_count, __ATOMIC_RELAXED);
    out->size_bytes = fstat(file->fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* ---- keeps that are asked for ---- */

int
marey_file_keep_ask(struct marey_file *file, uint32_t process, uint32_t rule,
                    uint64_t from_ticks, uint64_t until_ticks)
{
    uint64_t owner = (uint64_t)process << 32;

    for (int i = 0; file->is_mapped && i < MAREY_KEEP_ENTRIES; i++) {
        struct marey_keep_entry *entry = &file->header->keeps[i];
        uint64_t nobody = 0;
        if (!__atomic_compare_exchange_n(&entry->who, &nobody,
                                         owner | MAREY_KEEP_CLAIMED, false,
                                         __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            continue;
        __atomic_store_n(&entry->from_ticks, from_ticks, __ATOMIC_RELAXED);
        __atomic_store_n(&entry->until_ticks, until_ticks, __ATOMIC_RELAXED);
        __atomic_store_n(&entry->who, owner | rule, __ATOMIC_RELEASE);
        return i;
    }
    return -1;
}

void
marey_file_keep_widen(struct marey_file *file, int note, uint64_t from_ticks)
{
    if (note >= 0)
        __atomic_store_n(&file->header->keeps[note].from_ticks, from_ticks,
                         __ATOMIC_RELAXED);
}

void
marey_file_keep_done(struct marey_file *file, int note)
{
    if (note >= 0)
        __atomic_store_n(&file->header->keeps[note].who, 0, __ATOMIC_RELEASE);
}

/* ---- opening and closing ---- */

static void
read_boot_id(uint8_t id[16])
{
    char text[40] = {0};
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    int digit = 0;

    memset(id, 0, 16);
    if (fd < 0)
        return;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    for (ssize_t i = 0; i < size && digit < 32; i++) {
        char c = text[i];
        int value = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (value < 0)
            continue;
        id[digit / 2] = (uint8_t)(id[digit / 2] << 4 | value);
        digit++;
    }
}

static void
fill_header(struct marey_file *file, const struct marey_file_options *options)
{
    struct marey_file_header *header = file->header;
    struct marey_clock_pair now;

    marey_clock_pair_read(&file->clock, &now);
    header->version_major = MAREY_VERSION_MAJOR;
    header->version_minor = MAREY_VERSION_MINOR;
    header->header_size = MAREY_PAGE_SIZE;
    read_boot_id(header->boot_id);
    gethostname(header->host_name, sizeof(header->host_name) - 1);
    header->clock = file->clock.kind;
    header->clock_shift = file->clock.shift;
    header->ticks_per_second = file->clock.ticks_per_second;
    header->start_ticks = now.ticks;
    header->start_realtime_ns = now.realtime_ns;
    header->flags = file->is_mapped ? 0 : MAREY_FILE_UNMAPPED;
    header->tail = MAREY_PAGE_SIZE;
    if (options->ring_bytes > 0) {
        uint64_t cells = options->ring_bytes / RING_CELL_SIZE;
        if (cells < RING_CELLS_MIN)
            cells = RING_CELLS_MIN;
        if (cells > UINT32_MAX)
            cells = UINT32_MAX;
        header->flags |= MAREY_FILE_RING;
        header->ring_offset = MAREY_PAGE_SIZE;
        header->ring_cell_size = RING_CELL_SIZE;
        header->ring_cell_count = (uint32_t)cells;
        header->tail += cells * RING_CELL_SIZE;
    }
    __atomic_store_n(&header->magic, MAREY_FILE_MAGIC, __ATOMIC_RELEASE);
}

static struct marey_file *
new_file(int fd, const char *path)
{
    struct marey_file *file = calloc(1, sizeof(*file));
    struct stat status;

    if (file == NULL)
        return NULL;
    file->fd = fd;
    file->path = strdup(path);
    if (file->path == NULL || fstat(fd, &status) != 0) {
        free(file->path);
        free(file);
        return NULL;
    }
    file->device = status.st_dev;
    file->inode = status.st_ino;
    pthread_mutex_init(&file->lock, NULL);
    return file;
}

/* Maps the first page, or keeps a private copy of it. */
static bool
map_header(struct marey_file *file, bool try_mapping)
{
    void *page = MAP_FAILED;

    if (try_mapping)
        page = mmap(NULL, MAREY_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd,
                    0);
    file->is_mapped = page != MAP_FAILED;
    if (!file->is_mapped)
        page = mmap(NULL, MAREY_PAGE_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    file->header = page;
    return true;
}

enum marey_status
marey_file_create(const char *path, const struct marey_file_options *options,
                  struct marey_file **out, struct marey_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return marey_fail(err, MAREY_IO, "cannot create %s: %s", path, strerror(errno));
    fd = marey_descriptor_move_high(fd);
    struct marey_file *file = new_file(fd, path);
    if (file == NULL) {
        close(fd);
        return marey_fail(err, MAREY_NOMEM, "cannot create %s: out of memory", path);
    }
    int full = posix_fallocate(fd, 0, MAREY_PAGE_SIZE);
    if (full == 0 && !map_header(file, !options->no_mapping))
        full = ENOMEM;
    if (full == 0) {
        marey_clock_choose(&file->clock);
        fill_header(file, options);
        if (!file->is_mapped &&
            pwrite(fd, file->header, MAREY_PAGE_SIZE, 0) != MAREY_PAGE_SIZE)
            full = errno;
        if (full == 0 && file->header->ring_offset != 0)
            full = posix_fallocate(fd, MAREY_PAGE_SIZE,
                                   (off_t)(file->header->tail - MAREY_PAGE_SIZE));
    }
    if (full != 0) {
        marey_file_close(file);
        unlink(path);
        errno = full;
        return marey_fail(err, full == ENOSPC ? MAREY_FULL : MAREY_IO,
                          "cannot write %s: %s", path, strerror(full));
    }
    *out = file;
    return MAREY_OK;
}

static enum marey_status
check_header(const struct marey_file *file, const char *path, struct marey_error *err)
{
    struct marey_file_header page;
    uint8_t boot_id[16];
    struct stat status;

    if (fstat(file->fd, &status) != 0 || status.st_uid != geteuid())
        return marey_fail(err, MAREY_USAGE, "%s belongs to another user", path);
    if (pread(file->fd, &page, sizeof(page), 0) != sizeof(page) ||
        page.magic != MAREY_FILE_MAGIC)
        return marey_fail(err, MAREY_NOT_A_TRACE, "%s is not a Marey trace", path);
    if (page.version_major != MAREY_VERSION_MAJOR)
        return marey_fail(err, MAREY_VERSION, "%s has another format version", path);
    read_boot_id(boot_id);
    if (memcmp(boot_id, page.boot_id, sizeof(boot_id)) != 0)
        return marey_fail(err, MAREY_USAGE,
                          "%s was recorded before this boot or on "
                          "another host; choose another output",
                          path);
    return MAREY_OK;
}

enum marey_status
marey_file_join(const char *path, struct marey_file **out, struct marey_error *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return marey_fail(err, MAREY_IO, "cannot open %s: %s", path, strerror(errno));
    fd = marey_descriptor_move_high(fd);
    struct marey_file *file = new_file(fd, path);
    if (file == NULL) {
        close(fd);
        return marey_fail(err, MAREY_NOMEM, "cannot open %s: out of memory", path);
    }
    enum marey_status status = check_header(file, path, err);
    if (status == MAREY_OK) {
        struct marey_file_header page;
        bool is_whole = pread(fd, &page, sizeof(page), 0) == sizeof(page);
        if (!is_whole || !map_header(file, (page.flags & MAREY_FILE_UNMAPPED) == 0))
            status =
                marey_fail(err, MAREY_IO, "cannot map %s: %s", path, strerror(errno));
        else if (!file->is_mapped)
            *file->header = page;
    }
    if (status != MAREY_OK) {
        marey_file_close(file);
        return status;
    }
    file->clock.kind = file->header->clock;
    file->clock.shift = file->header->clock_shift;
    file->clock.ticks_per_second = file->header->ticks_per_second;
    *out = file;
    return MAREY_OK;
}

void
marey_file_forked(struct marey_file *file)
{
    for (int rank = 0; rank < SLOT_CLASSES; rank++)
        file->pools[rank].count = 0;
    pthread_mutex_init(&file->lock, NULL);
}

void
marey_file_close(struct marey_file *file)
{
    if (file == NULL)
        return;
    for (int rank = 0; rank < SLOT_CLASSES; rank++) {
        struct slot_pool *pool = &file->pools[rank];
        for (uint32_t i = 0; i < pool->count; i++)
            munmap(pool->slots[i].bytes, pool->slots[i].size_bytes);
    }
    if (file->header != NULL)
        munmap(file->header, MAREY_PAGE_SIZE);
    if (is_trace(file, file->fd))
        close(file->fd);
    pthread_mutex_destroy(&file->lock);
    free(file->path);
    free(file);
}
