/** The drawing instance of the core: index, tiles, canvas, palette. */
import type { Series } from '../model/lanes'
import type { TraceInfo } from '../model/trace'
import type { Core } from './core'

const RECT_BYTES = 20
const PIECE_BYTES = 32
export const FLAG_DENSE = 1
export const FLAG_RAISED = 8
export const FLAG_OPEN = 16
export const FLAG_CUT = 32
export const FLAG_SUSPENDED = 256
export const FLAG_INSTANT = 512
export const FLAG_LOG = 1024
export const FLAG_LOSS = 2048

export const STATE_FOUND = 1
export const STATE_DIM = 2

const TILE_SLOTS = 64

/** Things between two edges, copied out of the core: columns of one block. */
class Spread {
  readonly floats: Float32Array
  readonly words: Uint32Array

  constructor(
    block: ArrayBuffer,
    readonly count: number,
    protected readonly stride: number, // words of each
  ) {
    this.floats = new Float32Array(block)
    this.words = new Uint32Array(block)
  }
  left(i: number): number {
    return this.floats[i * this.stride]!
  }
  right(i: number): number {
    return this.floats[i * this.stride + 1]!
  }
}

/** Rectangles of one lane. */
export class Rects extends Spread {
  constructor(block: ArrayBuffer, count: number) {
    super(block, count, RECT_BYTES / 4)
  }
  fn(i: number): number {
    return this.words[i * 5 + 2]!
  }
  row(i: number): number {
    return this.words[i * 5 + 3]! & 0xffff
  }
  coverage(i: number): number {
    return (this.words[i * 5 + 3]! >> 16) & 0xff
  }
  countOf(i: number): number {
    return countOf(this.words[i * 5 + 3]! >>> 24)
  }
  flags(i: number): number {
    return this.words[i * 5 + 4]!
  }
}

/** Slices that a code stands for; as marey_lod_count_of(). */
export function countOf(code: number): number {
  if (code < 16) return code
  const log2 = ((code - 16) >> 2) + 4
  return (4 + ((code - 16) & 3)) * 2 ** (log2 - 2)
}

export interface LaneBox {
  lane: number
  from: number
  to: number
  rowFirst: number
  rowCount: number
  top: number
  marksTop: number
  rowHeight: number
  marksHeight: number
  upper: number
  bottom: number
  scale: number
}

/** Pieces of a variable's history. */
export class Pieces extends Spread {
  constructor(block: ArrayBuffer, count: number) {
    super(block, count, PIECE_BYTES / 4)
  }
  low(i: number): number {
    return this.floats[i * 8 + 2]!
  }
  high(i: number): number {
    return this.floats[i * 8 + 3]!
  }
  last(i: number): number {
    return this.floats[i * 8 + 4]!
  }
  /** Of a value that is no number; null: it is one. */
  value(i: number): number | null {
    const value = this.words[i * 8 + 5]!
    return value === 0xffffffff ? null : value
  }
  countOf(i: number): number {
    return this.words[i * 8 + 6]!
  }
}

export class Drawing {
  private readonly tileKeys: (string | null)[] = new Array<string | null>(
    TILE_SLOTS,
  ).fill(null)
  private readonly tileUse: number[] = new Array<number>(TILE_SLOTS).fill(0)
  private clock = 0
  private functionCount = 0
  private light = new Uint32Array(0)
  private dark = new Uint32Array(0)

  constructor(private readonly core: Core) {}

  setIndex(bytes: Uint8Array): void {
    this.core.run('view_index', this.core.give(bytes), bytes.length)
    this.tileKeys.fill(null)
  }

  /** What the index knows of totals; null: nothing. */
  sums(): Uint8Array | null {
    this.core.run('view_sums')
    const sums = this.core.answer()
    return sums.length > 0 ? sums : null
  }

  hasTile(key: string): boolean {
    const slot = this.tileKeys.indexOf(key)
    if (slot >= 0) this.tileUse[slot] = ++this.clock
    return slot >= 0
  }

  addTile(key: string, bytes: Uint8Array): void {
    let slot = this.tileKeys.indexOf(null)
    if (slot < 0) {
      slot = 0
      for (let i = 1; i < TILE_SLOTS; i++)
        if (this.tileUse[i]! < this.tileUse[slot]!) slot = i
    }
    this.core.run('view_tile', slot, this.core.give(bytes), bytes.length)
    this.tileKeys[slot] = key
    this.tileUse[slot] = ++this.clock
  }

  /** Colours of all functions; kept here for the page's own drawings. */
  setFunctions(info: TraceInfo): void {
    const { name, module, file, flags } = info.functions
    const encoder = new TextEncoder()
    this.functionCount = name.length
    this.light = new Uint32Array(name.length)
    this.dark = new Uint32Array(name.length)
    const size = 8192
    const at = this.core.call('bytes_new', size) >>> 0
    for (let i = 0; i < name.length; i++) {
      const memory = new Uint8Array(this.core.memory.buffer, at, size)
      let used = 0
      const sizes = [module[i] ?? '', name[i] ?? '', file[i] ?? ''].map((text) => {
        const put = encoder.encodeInto(text.slice(0, 800), memory.subarray(used))
        used += put.written
        return put.written
      })
      const ask = (dark: number) =>
        this.core.call(
          'view_colour',
          at,
          sizes[0]!,
          sizes[1]!,
          sizes[2]!,
          flags[i] ?? 0,
          dark,
        ) >>> 0
      this.light[i] = ask(0)
      this.dark[i] = ask(1)
    }
    this.core.call('bytes_free', at)
    this.core.call('view_palette', name.length)
  }

  setTheme(dark: boolean): void {
    const at = this.core.call('view_colours') >>> 0
    if (at === 0) return
    new Uint32Array(this.core.memory.buffer, at, this.functionCount).set(
      dark ? this.dark : this.light,
    )
  }

  setStates(states: Uint8Array): void {
    const at = this.core.call('view_states') >>> 0
    if (at !== 0)
      new Uint8Array(this.core.memory.buffer, at, this.functionCount).set(states)
  }

  /** CSS colour of a function. */
  colour(fn: number, dark: boolean): string {
    const word = (dark ? this.dark : this.light)[fn] ?? 0xff888888
    return `rgb(${word & 255} ${(word >> 8) & 255} ${(word >> 16) & 255})`
  }

  begin(): number {
    return this.core.call('view_begin')
  }
  end(): number {
    return this.core.call('view_end')
  }
  rows(lane: number): number {
    return this.core.call('view_rows', lane)
  }

  /** Clears a canvas of this size; image() shows what was drawn since. */
  clear(width: number, height: number, dark: boolean): void {
    if (this.core.call('view_canvas', width, height, Number(dark)) >>> 0 === 0)
      throw new Error('the page has no memory left for the picture')
  }

  lane(box: LaneBox): { rects: Rects; isCoarse: boolean } {
    const count = this.core.call(
      'view_lane',
      box.lane,
      Math.floor(box.from),
      Math.ceil(box.to),
      box.rowFirst,
      box.rowCount,
      box.top,
      box.marksTop,
      box.rowHeight,
      box.marksHeight,
      box.upper,
      box.bottom,
      box.scale,
    )
    const at = this.core.call('view_rects') >>> 0
    const block = this.core.memory.buffer.slice(
      at,
      at + count * RECT_BYTES,
    ) as ArrayBuffer
    return {
      rects: new Rects(block, count),
      isCoarse: this.core.call('view_is_coarse') !== 0,
    }
  }

  fill(left: number, top: number, right: number, bottom: number, colour: number): void {
    this.core.call('view_fill', left, top, right, bottom, colour)
  }

  image(width: number, height: number): ImageData {
    const at = this.core.call('view_pixels') >>> 0
    const bytes = new Uint8ClampedArray(
      this.core.memory.buffer as ArrayBuffer,
      at,
      width * height * 4,
    )
    return new ImageData(bytes, width, height)
  }

  density(from: number, to: number, buckets: number): Float32Array {
    this.core.run('view_density', from, to, buckets)
    const { at } = this.core.answerView()
    return new Float32Array(this.core.memory.buffer, at, buckets).slice()
  }

  series(): Series[] {
    this.core.run('view_series')
    const { at, size } = this.core.answerView()
    const words = new Float64Array(this.core.memory.buffer, at, size / 8)
    const found: Series[] = []
    for (let i = 0; i * 5 < words.length; i++)
      found.push({
        series: i,
        lane: words[i * 5]!,
        string: words[i * 5 + 1]!,
        low: words[i * 5 + 2]!,
        high: words[i * 5 + 3]!,
      })
    return found
  }

  /** Draws a counter and gives its points: x, low, high, last. */
  counter(
    series: number,
    from: number,
    to: number,
    top: number,
    height: number,
  ): Float32Array {
    this.core.run('view_counter', series, Math.floor(from), Math.ceil(to), top, height)
    const { at, size } = this.core.answerView()
    return new Float32Array(this.core.memory.buffer, at, size / 4).slice()
  }

  /** Takes the history of a variable, or forgets it. */
  setHistory(slot: number, bytes: Uint8Array | null): void {
    this.core.run(
      'view_history',
      slot,
      bytes ? this.core.give(bytes) : 0,
      bytes?.length ?? 0,
    )
  }

  historyFacts(slot: number): { count: number; low: number; high: number } {
    this.core.run('view_history_facts', slot)
    const { at } = this.core.answerView()
    const [count, low, high] = new Float64Array(this.core.memory.buffer, at, 3)
    return { count: count!, low: low!, high: high! }
  }

  historyText(slot: number, value: number): string {
    this.core.run('view_history_text', slot, value)
    return new TextDecoder().decode(this.core.answer())
  }

  /** Draws a history and gives its pieces. */
  history(
    slot: number,
    from: number,
    to: number,
    top: number,
    height: number,
    scale: number,
  ): Pieces {
    const window = [Math.floor(from), Math.ceil(to)] as const
    this.core.run('view_history_draw', slot, ...window, top, height, scale)
    const { at, size } = this.core.answerView()
    const block = this.core.memory.buffer.slice(at, at + size) as ArrayBuffer
    return new Pieces(block, size / PIECE_BYTES)
  }

  flows(from: number, to: number, limit: number): Float64Array {
    this.core.run('view_flows', from, to, limit)
    const { at, size } = this.core.answerView()
    return new Float64Array(this.core.memory.buffer, at, size / 8).slice()
  }
}
