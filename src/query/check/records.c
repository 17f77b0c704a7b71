/* Checking definitions, values and source texts. */
#include "query/check/check.h"

/* ---- texts ---- */

static size_t
sequence_size(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first < 0xe0)
        return 2;
    if (first >= 0xe0 && first < 0xf0)
        return 3;
    return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* UTF-8 in which lone surrogates may stand. */
static bool
is_text(struct marey_span span)
{
    for (size_t at = 0; at < span.size_bytes;) {
        const uint8_t *bytes = span.bytes + at;
        size_t size = sequence_size(bytes[0]);
        if (size == 0 || size > span.size_bytes - at)
            return false;
        for (size_t i = 1; i < size; i++) {
            if ((bytes[i] & 0xc0) != 0x80)
                return false;
        }
        if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) ||
            (bytes[0] == 0xf0 && bytes[1] < 0x90) ||
            (bytes[0] == 0xf4 && bytes[1] > 0x8f))
            return false;
        at += size;
    }
    return true;
}

static void
check_text(struct checker *checker, struct marey_span text)
{
    if (!is_text(text))
        marey_check_find(checker, text.bytes, "a text that is not UTF-8");
}

/* ---- definitions ---- */

static void
check_function(struct checker *checker, const uint8_t *at,
               const struct marey_definition *def)
{
    if (def->module != 0 && !check_knows(checker, ID_STRING, def->module))
        marey_check_find_number(checker, at, "a function in undefined module ",
                                def->module);
    if (def->file != 0 && !check_knows(checker, ID_FILE, def->file))
        marey_check_find_number(checker, at, "a function in undefined file ",
                                def->file);
    if (!check_knows(checker, ID_FUNCTION, def->id))
        marey_check_find_number(checker, at,
                                "a function with an id out of order: ", def->id);
}

static void
check_call_site(struct checker *checker, const uint8_t *at,
                const struct marey_definition *def)
{
    if (!check_knows(checker, ID_FUNCTION, def->function))
        marey_check_find_number(checker, at, "a call site of undefined function ",
                                def->function);
    if (!check_knows(checker, ID_FUNCTION, def->caller))
        marey_check_find_number(checker, at, "a call site in undefined function ",
                                def->caller);
    if (!check_knows(checker, ID_FUNCTION, def->id))
        marey_check_find_number(checker, at,
                                "a call site with an id out of order: ", def->id);
}

static void
check_process(struct checker *checker, const uint8_t *at,
              const struct marey_definition *def)
{
    const struct marey_trace *trace = checker->trace;
    const struct process *process = checker->process;
    bool inherits =
        def->string_count > 0 || def->file_count > 0 || def->function_count > 0;

    if (process->parent == MAREY_NO_INDEX) {
        if (inherits)
            marey_check_find(checker, at,
                             "shares definitions of a process that is not there");
    } else if (inherits) {
        const struct process *parent = &trace->processes[process->parent];
        if (def->string_count >= parent->strings.first + parent->strings.count ||
            def->file_count >= parent->files.first + parent->files.count ||
            def->function_count >= parent->functions.first + parent->functions.count)
            marey_check_find(checker, at, "shares more than its parent defined");
    }
    check_text(checker, def->executable);
    check_text(checker, def->version);
    check_text(checker, def->directory);
}

static void
check_lane(struct checker *checker, const uint8_t *at,
           const struct marey_definition *def)
{
    uint32_t process = (uint32_t)(checker->process - checker->trace->processes);
    uint32_t index = marey_trace_lane_index(checker->trace, process, def->id);

    if (def->tag == MAREY_DEF_LANE_PLACE)
        return; /* free, or a lane, or one that has a new name elsewhere */
    if (def->tag != MAREY_DEF_LANE) {
        if (index == MAREY_NO_INDEX || !checker->trace->lanes[index].is_defined)
            marey_check_find_number(checker, at, "speaks of undefined lane ", def->id);
        return;
    }
    if (marey_table_get(&checker->lane_serials, def->id) != MAREY_TABLE_NONE)
        marey_check_find_number(checker, at, "defines once more lane ", def->id);
    else if (!marey_table_put(&checker->lane_serials, def->id, 1))
        checker->status = MAREY_NOMEM;
    if (def->kind < MAREY_LANE_THREAD || def->kind > MAREY_LANE_GREENLET)
        marey_check_find_number(checker, at, "a lane of unknown kind ", def->kind);
}

static void
check_definition(struct checker *checker, const struct marey_record *record)
{
    struct marey_definition def;

    if (!marey_definition_get(record, &def)) {
        marey_check_find(checker, record->body, "a definition that cannot be read");
        return;
    }
    check_text(checker, def.text);
    switch (def.tag) {
    case MAREY_DEF_STRING:
        if (!check_knows(checker, ID_STRING, def.id))
            marey_check_find_number(checker, record->body,
                                    "a string with an id out of order: ", def.id);
        break;
    case MAREY_DEF_FILE:
        if (!check_knows(checker, ID_FILE, def.id))
            marey_check_find_number(checker, record->body,
                                    "a file with an id out of order: ", def.id);
        break;
    case MAREY_DEF_FUNCTION: check_function(checker, record->body, &def); break;
    case MAREY_DEF_CALL_SITE: check_call_site(checker, record->body, &def); break;
    case MAREY_DEF_PROCESS: check_process(checker, record->body, &def); break;
    case MAREY_DEF_LANE:
    case MAREY_DEF_LANE_NAME:
    case MAREY_DEF_LANE_END: check_lane(checker, record->body, &def); break;
    default: break;
    }
}

/* Calls `take` for each record, and looks at their number. */
static void
check_records(struct checker *checker,
              void (*take)(struct checker *checker, const struct marey_record *record))
{
    const struct marey_extent *extent = checker->extent;
    struct marey_records records;
    struct marey_record record;
    uint64_t count = 0;

    marey_records_init(&records, checker->payload, extent->payload_size,
                       extent->is_open);
    for (; marey_records_next(&records, &record); count++)
        take(checker, &record);
    if (records.is_bad)
        marey_check_find(checker, records.next, "a record that cannot be read");
    else if (count != extent->record_count)
        marey_check_find(checker, NULL,
                         "another number of records than the header says");
}

void
marey_check_definitions(struct checker *checker)
{
    check_records(checker, check_definition);
}

/* ---- values ---- */

static bool
check_name(const struct checker *checker, struct marey_fields *fields)
{
    uint64_t name = marey_fields_varint(fields);

    return name == 0 || (name <= MAREY_STRING_ID_MAX &&
                         check_knows(checker, ID_STRING, (uint32_t)name));
}

static bool check_value(const struct checker *checker, struct marey_fields *fields,
                        unsigned depth);

/* `count` values, each after its name as text where they are named. */
static bool
check_nested(const struct checker *checker, struct marey_fields *fields, uint64_t count,
             bool is_named, unsigned depth)
{
    for (uint64_t i = 0; i < count; i++) {
        if (is_named)
            marey_fields_sized(fields, MAREY_NAME_SIZE_MAX);
        if (!check_value(checker, fields, depth + 1))
            return false;
    }
    return true;
}

/* Values that hold values. */
static bool
check_structure(const struct checker *checker, struct marey_fields *fields, uint8_t tag,
                unsigned depth)
{
    if (tag >= MAREY_VALUE_INSTANCE && !check_name(checker, fields))
        return false;
    if (tag == MAREY_VALUE_INSTANCE)
        marey_fields_varint(fields); /* address */
    uint64_t in_all = marey_fields_varint(fields);
    uint64_t first = marey_fields_varint(fields);
    uint64_t named = tag == MAREY_VALUE_MADE ? marey_fields_varint(fields) : 0;
    if (in_all < first || in_all - first < named)
        return false;
    if (tag == MAREY_VALUE_INSTANCE)
        return check_nested(checker, fields, first, true, depth);
    if (tag == MAREY_VALUE_DICT && first > UINT64_MAX / 2)
        return false;
    return check_nested(checker, fields, tag == MAREY_VALUE_DICT ? first * 2 : first,
                        false, depth) &&
           check_nested(checker, fields, named, true, depth);
}

static bool
check_value(const struct checker *checker, struct marey_fields *fields, unsigned depth)
{
    uint8_t tag = marey_fields_u8(fields);

    if (depth > MAREY_VALUE_DEPTH_MAX || tag < MAREY_VALUE_NONE ||
        tag > MAREY_VALUE_SEEN || fields->is_bad)
        return false;
    switch (tag) {
    case MAREY_VALUE_INT:
    case MAREY_VALUE_SEEN: marey_fields_varint(fields); break;
    case MAREY_VALUE_FLOAT: marey_fields_u64(fields); break;
    case MAREY_VALUE_COMPLEX:
        marey_fields_u64(fields);
        marey_fields_u64(fields);
        break;
    case MAREY_VALUE_CUT_TEXT:
    case MAREY_VALUE_CUT_BYTES: marey_fields_varint(fields); /* fall through */
    case MAREY_VALUE_TEXT:
    case MAREY_VALUE_BYTES:
    case MAREY_VALUE_OBJECT:
    case MAREY_VALUE_NUMBER: marey_fields_sized(fields, MAREY_EXTENT_SIZE_MAX); break;
    case MAREY_VALUE_ENUM:
        if (!check_name(checker, fields))
            return false;
        marey_fields_sized(fields, MAREY_NAME_SIZE_MAX);
        break;
    default:
        return tag < MAREY_VALUE_LIST || check_structure(checker, fields, tag, depth);
    }
    return !fields->is_bad;
}

static void
check_blob(struct checker *checker, const struct marey_record *record)
{
    struct marey_fields fields = {record->body, record->body + record->size_bytes,
                                  false};
    bool is_right = true;

    if (record->tag != 1)
        return; /* of a later version */
    uint64_t count = marey_fields_varint(&fields);
    for (uint64_t i = 0; i < count && is_right; i++)
        is_right = check_name(checker, &fields) && check_value(checker, &fields, 0);
    if (!is_right || fields.is_bad)
        marey_check_find(checker, record->body, "values that cannot be read");
}

void
marey_check_blobs(struct checker *checker)
{
    check_records(checker, check_blob);
}

/* ---- sources ---- */

void
marey_check_source(struct checker *checker)
{
    const struct marey_extent *extent = checker->extent;
    struct marey_source_head head;

    if (!marey_source_get(checker->payload, extent->payload_size, &head)) {
        marey_check_find(checker, NULL, "a source that cannot be read");
        return;
    }
    check_text(checker, head.path);
    if (head.key == 0)
        marey_check_find(checker, checker->payload, "a source without a key");
    if (extent->codec == MAREY_CODEC_NONE)
        return;
    uint8_t *text = marey_memory_new((size_t)extent->raw_size + 1, 1);
    if (text == NULL) {
        checker->status = MAREY_NOMEM;
        return;
    }
    if (!marey_expand(text, extent->raw_size, head.stored.bytes,
                      head.stored.size_bytes))
        marey_check_find(checker, head.stored.bytes,
                         "a source that does not decompress");
    marey_memory_free(text);
}
