// Totals and trees in the page's core, played and added: node sums.mjs PAGE.html TRACE
// Says how many windows' answers differ, and what an index of sums alone weighs.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

const [page, path] = process.argv.slice(2)
const packed = /id="marey-wasm">([^<]+)</.exec(readFileSync(page, 'utf8'))[1]
const trace = readFileSync(path)
let memory
let bytesRead = 0
const host = {
    read(offset, to, size) {
        if (offset < 0 || offset + size > trace.length) return 0
        bytesRead += size
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

const answer = () =>
    Buffer.from(
        new Uint8Array(memory.buffer, core.answer_at() >>> 0, core.answer_size() >>> 0),
    )
function give(bytes) {
    const at = core.bytes_new(bytes.length) >>> 0
    new Uint8Array(memory.buffer, at, bytes.length).set(bytes)
    return at
}
core.trace_open(trace.length)
core.trace_info()
const duration = JSON.parse(answer().toString()).duration_ns
const windows = [
    [-1, -1],
    [0, 0.999],
    [0.1, 0.9],
    [0.3, 0.95],
    [0.02, 0.6],
    [0.5, 0.51],
]
function ask() {
    const told = []
    const started = process.cpuUsage().user
    for (const window of windows) {
        const [from, to] = window[0] < 0 ? window : window.map((at) => at * duration)
        for (const name of ['trace_totals', 'trace_tree']) {
            const status = core[name](Math.floor(from), Math.floor(to), 0)
            told.push(status === 0 ? answer().toString() : `failed: ${status}`)
        }
    }
    return { told, us: process.cpuUsage().user - started }
}
const played = ask()
const readToPlay = bytesRead
core.trace_index()
const index = answer()
core.view_index(give(index), index.length)
core.view_sums()
const sums = answer()
core.trace_sums(give(sums), sums.length)
bytesRead = 0
const added = ask()
const readToAdd = bytesRead
core.trace_filter(0, 2, 0) // what is filtered is played, and does not know the sums
const filtered = ask().told
core.trace_filter(0, -1, 0)
console.log(
    JSON.stringify({
        answers: played.told.length,
        different: played.told.filter((text, i) => text !== added.told[i]).length,
        same_as_filtered: added.told.filter((text, i) => text === filtered[i]).length,
        failed: played.told.filter((text) => text.startsWith('failed')).length,
        contexts: JSON.parse(played.told[1]).calls.length,
        index_size: index.length,
        sums_size: sums.length,
        read_to_play: readToPlay,
        read_to_add: readToAdd,
        us: [played.us, added.us],
    }),
)
