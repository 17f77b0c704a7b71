/** The worker: reads the trace through the core, so that the page never waits. */
import { openBytes, type Bytes } from './bytes'
import { Core } from './core'
import type { Ask, Requests, Selection, Source, Told, Verb } from './protocol'

let core: Core | null = null
let bytes: Bytes | null = null
let asking = 0
let lastTick = 0

const host = {
  read(offset: number, to: number, size: number): boolean {
    if (!core || !bytes) return false
    return bytes.read(offset, new Uint8Array(core.memory.buffer, to, size))
  },
  tick(share: number): boolean {
    const now = performance.now()
    if (now - lastTick > 100) {
      lastTick = now
      post({ id: asking, share })
    }
    return true
  },
}

function post(told: Told, transfer: Transferable[] = []): void {
  ;(self as unknown as Worker).postMessage(told, transfer)
}

function trace(): Core {
  if (!core) throw new Error('no trace is open')
  return core
}

/** Lends a table of bytes to the core for one call. */
function lend<T>(table: Uint8Array | null, use: (at: number) => T): T {
  if (!table) return use(0)
  const at = trace().give(table)
  try {
    return use(at)
  } finally {
    trace().call('bytes_free', at)
  }
}

function withSelection(name: string, selection: Selection): void {
  lend(selection.lanes, (at) => trace().run(name, selection.from, selection.to, at))
}

type Handlers = {
  [V in Verb]: (
    ...args: Requests[V]['args']
  ) => Requests[V]['reply'] | Promise<Requests[V]['reply']>
}

const handlers: Handlers = {
  async open(wasm: ArrayBuffer, source: Source) {
    bytes = await openBytes(source)
    core = await Core.load(wasm, host)
    core.run('trace_open', bytes.size)
    return null
  },
  info() {
    trace().run('trace_info')
    return trace().json()
  },
  index() {
    trace().run('trace_index')
    return trace().answer()
  },
  sums(sums) {
    trace().call('trace_sums', trace().give(sums), sums.length)
    return null
  },
  filter(functions, depth, shortest) {
    lend(functions, (at) =>
      trace().run('trace_filter', at, depth > 0 ? depth : -1, shortest),
    )
    return null
  },
  tile(lane, from, to, resolution) {
    trace().run('trace_tile', lane, from, to, resolution)
    return trace().answer()
  },
  strings(indices) {
    return indices.map((index) => {
      trace().run('trace_string', index)
      return trace().json<string>()
    })
  },
  totals(selection) {
    withSelection('trace_totals', selection)
    return trace().json()
  },
  tree(selection) {
    withSelection('trace_tree', selection)
    return trace().json()
  },
  stack(lane, time) {
    trace().run('trace_stack', lane, time)
    return trace().json()
  },
  call(lane, depth, time, endHint) {
    trace().run('trace_call', lane, depth, time, endHint, 4e6)
    return trace().json()
  },
  unwind(lane, depth, begin, end) {
    trace().run('trace_unwind', lane, depth, begin, end)
    return trace().json()
  },
  calls(fn, selection, limit) {
    lend(selection.lanes, (at) =>
      trace().run('trace_calls', fn, selection.from, selection.to, at, limit),
    )
    return trace().json()
  },
  transactions(selection, group, slowest) {
    const text = new TextEncoder().encode(group)
    lend(selection.lanes, (lanes) =>
      lend(text, (at) =>
        trace().run(
          'trace_transactions',
          selection.from,
          selection.to,
          lanes,
          at,
          text.length,
          slowest,
        ),
      ),
    )
    return trace().json()
  },
  event(lane, time, back, kinds, functions, value = '', inside) {
    const text = new TextEncoder().encode(value)
    lend(functions, (at) =>
      lend(text, (words) =>
        trace().run(
          'trace_event',
          lane,
          time,
          Number(back),
          kinds,
          at,
          words,
          text.length,
          inside?.begin_ns ?? -1,
          inside ? inside.depth + 2 : 0, // what it called is deeper by one
          inside?.steps ?? 0,
        ),
      ),
    )
    return trace().json()
  },
  logs(selection, name, value, limit) {
    const [names, values] = [name, value].map((text) => new TextEncoder().encode(text))
    lend(selection.lanes, (lanes) =>
      lend(names!, (name) =>
        lend(values!, (value) =>
          trace().run(
            'trace_logs',
            selection.from,
            selection.to,
            lanes,
            name,
            names!.length,
            value,
            values!.length,
            limit,
          ),
        ),
      ),
    )
    return trace().json()
  },
  variables() {
    trace().run('trace_variables')
    return trace().json()
  },
  history(lane, fn, name) {
    const text = new TextEncoder().encode(name)
    lend(text, (at) => trace().run('trace_history', lane, fn, at, text.length))
    return trace().answer()
  },
  values(lane, blob) {
    trace().run('trace_values', lane, blob)
    return trace().json()
  },
  source(fn) {
    trace().run('trace_source', fn)
    return trace().json()
  },
}

self.onmessage = async (event: MessageEvent<Ask>) => {
  const { id, verb, args } = event.data
  asking = id
  try {
    const handler = handlers[verb] as (...args: unknown[]) => unknown
    const value = await handler(...args)
    post({ id, value }, value instanceof Uint8Array ? [value.buffer] : [])
  } catch (error) {
    post({ id, error: error instanceof Error ? error.message : String(error) })
  }
}
