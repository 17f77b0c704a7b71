// Wrong bytes through the core of a page, in node:
//   node fuzz.mjs PAGE.html TRACE SECONDS SEED
// Everything the page's worker and its drawing may ask is asked of each broken trace, in
// one instance, so that memory that is not given back adds up. Prints what happened.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

const [pagePath, path, seconds, seed] = process.argv.slice(2)
const page = readFileSync(pagePath, 'utf8')
const packed = /id="marey-wasm">([^<]+)</.exec(page)[1]
const whole = readFileSync(path)
const SLOW_MS = 5000

let state = Number(seed) >>> 0 || 1
function random(below) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
}

let trace = whole
let memory
const host = {
    read(offset, to, size) {
        if (!(offset >= 0) || offset + size > trace.length) return 0
        const part = trace.subarray(offset, offset + size)
        new Uint8Array(memory.buffer, to >>> 0, size >>> 0).set(part)
        return 1
    },
    tick: () => 1,
}
const wasm = gunzipSync(Buffer.from(packed, 'base64'))
const { instance } = await WebAssembly.instantiate(wasm, { host })
const core = instance.exports
memory = core.memory

function broken(bytes) {
    const copy = Buffer.from(bytes)
    const count = 1 + random(1 + random(60))
    const near = random(copy.length)
    const spread = random(2) ? copy.length : 4096
    for (let i = 0; i < count; i++) {
        const at = (near + random(spread)) % copy.length
        const how = random(4)
        if (how === 0) copy[at] ^= 1 << random(8)
        else if (how === 1) copy[at] = random(256)
        else if (how === 2) copy[at] = [0, 255, 127, 128][random(4)]
        else copy.copyWithin(at, random(copy.length), random(copy.length))
    }
    return random(4) ? copy : copy.subarray(0, random(copy.length))
}

function give(bytes) {
    const at = core.bytes_new(Math.max(bytes.length, 1)) >>> 0
    if (at) new Uint8Array(memory.buffer, at, bytes.length).set(bytes)
    return at
}
const answer = () =>
    Buffer.from(memory.buffer, core.answer_at() >>> 0, core.answer_size() >>> 0)

/** Made, broken or not, and drawn as what it says. */
function askHistory(lane, fn, name) {
    const text = Buffer.from(name)
    const at = give(text)
    const status = core.trace_history(lane, fn >>> 0, at, text.length)
    core.bytes_free(at)
    if (status !== 0) return
    const block = random(2) ? broken(answer()) : Buffer.from(answer())
    if (core.view_history(0, give(block), block.length) !== 0) return
    core.view_canvas(300, 200, 0)
    core.view_history_draw(0, 0, 2 ** (10 + random(30)), 10, 40, 1)
    core.view_history_text(0, random(3))
}

function askAll() {
    const told = { open: core.trace_open(trace.length) === 0 }
    if (!told.open) return told
    if (core.trace_info() === 0) JSON.parse(answer().toString())
    let index = null
    if (core.trace_index() === 0) index = Buffer.from(answer())
    for (let lane = 0; lane < 3; lane++) {
        core.trace_tile(lane, 0, 1 << 20, 4096)
        core.trace_stack(lane, random(2 ** 21))
        core.trace_call(lane, random(4), random(2 ** 21), random(2 ** 22), 1e5)
        core.trace_event(lane, random(2 ** 21), random(2), random(16), 0, 0, 0, -1, random(9), random(999))
        const begin = random(2 ** 21)
        core.trace_unwind(lane, random(4), begin, begin + random(1000))
        core.trace_values(lane, random(1 << 16))
    }
    core.trace_totals(-1, -1, 0)
    core.trace_tree(0, 1 << 20, 0)
    core.trace_calls(random(8), -1, -1, 0, 20)
    core.trace_source(random(8))
    core.trace_string(random(8))
    if (core.trace_variables() === 0)
        for (const { lane, function: fn, name } of JSON.parse(answer().toString())
            .variables.slice(0, 3))
            askHistory(lane, fn, name)
    return { ...told, index }
}

/** An index of wrong bytes is refused, or drawn as what it says. */
function drawBroken(index) {
    const bytes = random(3) ? broken(index) : index
    const at = give(bytes)
    if (!at || core.view_index(at, bytes.length) !== 0) return
    core.view_palette(16)
    core.view_canvas(300, 200, 0)
    for (let lane = 0; lane < 3; lane++)
        core.view_lane(lane, 0, 2 ** (10 + random(30)), 1, 40, 10, 0, 12, 10, 0, 200, 1)
    core.view_density(0, 1 << 22, 100)
    if (core.view_series() === 0) core.view_counter(0, 0, 1 << 22, 0, 40)
    core.view_flows(0, 1 << 22, 100)
}

const result = { turns: 0, opened: 0, slowest_ms: 0, memory: [] }
askAll()
// Seconds of this process, so that neighbours on the machine do not count.
const spent_ms = () => process.cpuUsage().user / 1000
const end = spent_ms() + Number(seconds) * 1000
const TURNS_LEAST = 21
let lastIndex = null
while (spent_ms() < end || result.turns < TURNS_LEAST) {
    trace = broken(whole)
    const start = spent_ms()
    const told = askAll()
    lastIndex = told.index ?? lastIndex
    if (lastIndex) drawBroken(lastIndex)
    result.slowest_ms = Math.max(result.slowest_ms, spent_ms() - start)
    result.turns++
    result.opened += told.open
    if (result.turns === 20) result.memory.push(memory.buffer.byteLength)
    if (result.slowest_ms > SLOW_MS) break
}
result.memory.push(memory.buffer.byteLength)
console.log(JSON.stringify(result))
