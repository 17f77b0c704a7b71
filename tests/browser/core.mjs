// The wasm core of a page, in node: node core.mjs PAGE.html TRACE OUT-FOLDER
// Writes what the core answers, for comparison with the native one.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

const [page, path, out] = process.argv.slice(2)
const packed = /id="marey-wasm">([^<]+)</.exec(readFileSync(page, 'utf8'))[1]
const trace = readFileSync(path)
let memory
const host = {
    read(offset, to, size) {
        if (offset < 0 || offset + size > trace.length) return 0
        new Uint8Array(memory.buffer, to >>> 0, size).set(
            trace.subarray(offset, offset + size),
        )
        return 1
    },
    tick: () => 1,
}
const { instance } = await WebAssembly.instantiate(
    gunzipSync(Buffer.from(packed, 'base64')),
    { host },
)
const core = instance.exports
memory = core.memory

function answer() {
    return Buffer.from(memory.buffer, core.answer_at() >>> 0, core.answer_size() >>> 0)
}
const failure = () => {
    const bytes = new Uint8Array(memory.buffer, core.failure_at() >>> 0)
    return Buffer.from(bytes.slice(0, bytes.indexOf(0))).toString()
}
/** Windows of the trace without its short calls, as rectangles: by tiles of just the
 * window, and by much wider ones. Returns how many windows were not the same. */
function tileEdges(lane, shortest) {
    const tile = (from, to) => {
        core.trace_tile(lane, from, to, 65535)
        return Buffer.from(answer())
    }
    const draw = (bytes, from, to) => {
        const at = core.bytes_new(bytes.length) >>> 0
        new Uint8Array(memory.buffer, at, bytes.length).set(bytes)
        if (core.view_index(at, bytes.length) !== 0) return []
        core.view_canvas(400, 100, 0)
        const count = core.view_lane(0, from, to, 1, 9, 10, 0, 9, 0, 0, 100, 1)
        const rects = new DataView(memory.buffer, core.view_rects() >>> 0, count * 20)
        const found = []
        for (let i = 0; i < count; i++) {
            const left = Math.round(rects.getFloat32(i * 20, true))
            const right = Math.round(rects.getFloat32(i * 20 + 4, true))
            const fn = rects.getUint32(i * 20 + 8, true)
            if (right > left)
                found.push([left, right, fn, rects.getUint16(i * 20 + 12, true)])
        }
        return found
    }
    core.trace_filter(0, -1, shortest)
    let different = 0
    for (let k = 0; k < 40; k++) {
        const from = 200000 + k * 5003
        const to = from + 20000
        const wide = tile(from - 100000, to + 100000)
        const near = draw(tile(from, to), from, to)
        const far = draw(wide, from, to) // of a coarser unit of time: a pixel may differ
        const isSame =
            near.length > 0 &&
            near.length === far.length &&
            near.every((rect, i) => rect.every((n, k) => Math.abs(n - far[i][k]) < 2))
        if (!isSame) different++
    }
    core.trace_filter(0, -1, 0)
    return different
}
const results = { open: core.trace_open(trace.length) }
if (results.open === 0) {
    for (const name of ['trace_info', 'trace_index']) {
        results[name] = core[name]()
        if (results[name] === 0) writeFileSync(join(out, name), answer())
    }
    results.totals = core.trace_totals(-1, -1, 0)
    if (results.totals === 0) results.rows = JSON.parse(answer().toString()).rows
    results.tree = core.trace_tree(-1, -1, 0)
    results.sources = []
    for (let fn = 0; fn < 4; fn++)
        if (core.trace_source(fn) === 0)
            results.sources.push(JSON.parse(answer().toString()))
    results.edges = [tileEdges(0, 250), tileEdges(1, 250), tileEdges(1, 1000)]
} else results.failure = failure()
results.memory = memory.buffer.byteLength
console.log(JSON.stringify(results))
