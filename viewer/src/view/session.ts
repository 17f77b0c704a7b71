/** All that the parts of the page share: the trace, the window, what is chosen. */
import type { Client } from '../data/client'
import type { Drawing } from '../data/drawing'
import type { Opened } from '../data/place'
import { functionsKept, isFiltering, NO_FILTER, type Filter } from '../model/filter'
import {
  ROW_HEIGHT,
  layout,
  laneStates,
  type LaneState,
  type Series,
  type Strip,
} from '../model/lanes'
import { findFunctions, valueWanted } from '../model/search'
import type { TraceInfo } from '../model/trace'
import { sameVariable, type Variable } from '../model/variables'
import { bounded, framed, type Span } from '../model/window'
import { Histories } from './histories'

const AIR = 0.004
const LANES_SHARE = 0.45 // of the page's height, about

export interface Chosen {
  lane: number
  depth: number
  time: number // a moment inside it
  begin: number // as drawn; exact once the details are there
  end: number
  fn: number // -1: not known yet
}

export interface Area extends Span {
  lanes: number[] | null
}

/** What changed, for the parts that listen. */
export type Topic =
  | 'window'
  | 'layout'
  | 'chosen'
  | 'area'
  | 'search'
  | 'marks'
  | 'playhead'
  | 'theme'
  | 'tab'
  | 'data'
  | 'hover'
  | 'function'
  | 'filter'

export class Session {
  info: TraceInfo
  states: LaneState[] = []
  usual: LaneState[] = [] // as they are shown at first
  series: Series[] = []
  strips: Strip[] = []
  height = 0
  whole: Span = { from: 0, to: 1 }
  span: Span = { from: 0, to: 1 }
  target: Span | null = null // of an animation
  scrollTop = 0
  rowHeight = ROW_HEIGHT
  seenHeight = 400 // of the lanes, in CSS pixels
  chosen: Chosen | null = null
  fn: number | null = null // the function the tables speak of
  area: Area | null = null
  query = '' // functions that are searched for
  value = '' // a value that is searched for, instead
  found: Uint8Array
  foundCount = 0
  filter: Filter = NO_FILTER
  filterProgress: number | null = null // while the picture is made anew
  plainIndex: Uint8Array | null = null // of the trace without a filter
  marks: number[] = []
  playhead: number | null = null
  cursor: number | null = null // the moment under the pointer
  playLane = 0
  tab = 'call'
  dark = false
  /** Ends when the page shows another trace; what listens to the document ends too. */
  private readonly ending = new AbortController()
  readonly life = this.ending.signal
  hasData = false // the worker has the trace
  sources = new Map<string, string | null>()
  readonly histories: Histories
  private readonly strings = new Map<number, string>()
  private readonly wanted = new Set<number>()
  private readonly listeners = new Map<Topic, (() => void)[]>()

  constructor(
    public opened: Opened,
    info: TraceInfo,
    public readonly drawing: Drawing,
    public client: Client,
  ) {
    this.info = info
    this.found = new Uint8Array(info.functions.name.length)
    this.histories = new Histories(this)
    this.takeIndex()
    this.span = this.whole
  }

  close(): void {
    this.ending.abort()
    this.client.close()
  }

  on(topics: Topic | Topic[], listener: () => void): void {
    for (const topic of Array.isArray(topics) ? topics : [topics]) {
      const list = this.listeners.get(topic) ?? []
      list.push(listener)
      this.listeners.set(topic, list)
    }
  }

  tell(...topics: Topic[]): void {
    for (const topic of topics)
      for (const listener of this.listeners.get(topic) ?? []) listener()
  }

  /** After a new index: lanes and the whole window, what the user folded kept. */
  takeIndex(): void {
    const before = new Map(this.states.map((state) => [state.lane, state]))
    const foldsBefore = new Map(this.usual.map((state) => [state.lane, state.fold]))
    const end = Math.max(this.drawing.end(), this.info.duration_ns, 1)
    // A little more, so that what is at the very end can be seen.
    this.whole = { from: Math.min(this.drawing.begin(), 0), to: end * (1 + AIR) }
    this.series = this.drawing.series()
    const seen = Math.floor((window.innerHeight * LANES_SHARE) / this.rowHeight)
    this.states = laneStates(this.info, (lane) => this.drawing.rows(lane), seen)
    this.usual = this.states.map((state) => ({ ...state }))
    const order = new Map([...before.keys()].map((lane, i) => [lane, i]))
    const placeOf = (state: LaneState) => order.get(state.lane) ?? Infinity
    if (order.size > 0)
      this.states.sort((a, b) => {
        const [x, y] = [placeOf(a), placeOf(b)]
        return x === y ? 0 : x - y
      })
    for (const state of this.states) {
      const old = before.get(state.lane)
      if (old)
        Object.assign(state, {
          // What nobody touched is folded as its rows of now ask for.
          fold: old.fold === foldsBefore.get(old.lane) ? state.fold : old.fold,
          isHidden: old.isHidden,
          isPinned: old.isPinned,
        })
    }
    this.arrange()
  }

  /** The index of the trace as it is now; what is filtered out is left out anew. */
  async setIndex(index: Uint8Array): Promise<void> {
    this.plainIndex = index
    if (this.hasData && isFiltering(this.filter)) return this.applyFilter()
    this.drawing.setIndex(index)
    this.client.useSums(this.drawing.sums())
    this.takeIndex()
  }

  /** Leaves out of the picture and of all answers what a filter says. */
  async setFilter(filter: Filter): Promise<void> {
    if (JSON.stringify(filter) === JSON.stringify(this.filter)) return
    this.filter = filter
    if (this.hasData) this.filterProgress = 0
    this.tell('filter')
    if (this.hasData) await this.applyFilter()
  }

  async applyFilter(): Promise<void> {
    const { filter } = this
    const kept = functionsKept(this.info, filter)
    this.filterProgress = 0
    try {
      await this.client.ask('filter', [kept, filter.depth, filter.shortest])
      const index =
        isFiltering(filter) || !this.plainIndex
          ? await this.client.ask('index', [], {
              key: 'index',
              progress: (share) => {
                this.filterProgress = share
                this.tell('filter')
              },
            })
          : this.plainIndex
      if (filter !== this.filter) return // another one is on its way
      this.drawing.setIndex(index)
      if (index === this.plainIndex) this.client.useSums(this.drawing.sums())
    } finally {
      if (filter === this.filter) this.filterProgress = null
    }
    this.takeIndex()
    this.scrollTop = Math.min(this.scrollTop, Math.max(this.height - 100, 0))
    this.choose(null) // depths are others now
    this.tell('filter', 'data', 'window')
  }

  arrange(): void {
    this.strips = layout(
      this.info,
      this.states,
      this.series,
      this.rowHeight,
      this.histories.list.map((one) => one.variable),
    )
    const last = this.strips[this.strips.length - 1]
    this.height = last ? last.top + last.height : 0
    this.tell('layout')
  }

  /** Puts a lane before another, or last. A lane that stands among pinned ones is. */
  moveLane(state: LaneState, before: LaneState | null): void {
    if (state === before) return
    const rest = this.states.filter((one) => one !== state)
    const at = before ? rest.indexOf(before) : rest.length
    rest.splice(at < 0 ? rest.length : at, 0, state)
    this.states = rest
    state.isPinned = before?.isPinned ?? false
    this.arrange()
  }

  /** The time in which a lane lived. */
  showLane(index: number): void {
    const lane = this.info.lanes[index]
    if (lane) this.show(framed({ from: lane.start_ns, to: lane.end_ns }, 0.94), true)
  }

  /** Shown lanes whose thread or task is not alive in the window; pinned ones stay. */
  idleLanes(): LaneState[] {
    const { from, to } = this.target ?? this.span
    return this.states.filter((state) => {
      const lane = this.info.lanes[state.lane]!
      const isAlive = lane.start_ns < to && lane.end_ns > from
      return !isAlive && !state.isHidden && !state.isPinned
    })
  }

  hideIdle(): void {
    for (const state of this.idleLanes()) state.isHidden = true
    this.scrollTop = 0
    this.arrange()
  }

  /** Scrolls so that the name of a lane is seen. */
  revealLane(state: LaneState): void {
    const strip = this.strips.find((one) => one.kind === 'lane' && one.state === state)
    if (!strip) return
    const { top } = strip
    const most = Math.max(this.height - this.seenHeight, 0)
    if (top < this.scrollTop || top + 40 > this.scrollTop + this.seenHeight)
      this.scrollTop = Math.min(Math.max(top - this.seenHeight / 3, 0), most)
    this.tell('layout')
  }

  /** Scrolls so that the lane of a variable is seen. */
  revealHistory(variable: Variable): void {
    const strip = this.strips.find(
      (one) => one.variable && sameVariable(one.variable, variable),
    )
    if (!strip) return
    const most = Math.max(this.height - this.seenHeight, 0)
    const bottom = strip.top + strip.height
    if (strip.top < this.scrollTop || bottom > this.scrollTop + this.seenHeight)
      this.scrollTop = Math.min(Math.max(bottom - this.seenHeight * 0.7, 0), most)
    this.tell('layout')
  }

  /** Shows a window: at once, or gliding there. */
  show(span: Span, glide = false): void {
    const goal = bounded(span, this.whole)
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches
    if (glide && !still) {
      this.target = goal
    } else {
      this.target = null
      this.span = goal
    }
    this.tell('window')
  }

  choose(chosen: Chosen | null): void {
    this.chosen = chosen
    if (chosen) {
      this.fn = chosen.fn
      this.playLane = chosen.lane
      if (this.tab !== 'film') this.setTab('call')
    }
    this.tell('chosen', 'function')
  }

  chooseFunction(fn: number | null): void {
    this.fn = fn
    this.tell('function')
  }

  chooseArea(area: Area | null): void {
    this.area = area
    if (area && this.tab === 'call') this.setTab('functions')
    this.tell('area')
  }

  search(text: string): void {
    this.value = valueWanted(text)
    const query = this.value === '' ? text : ''
    this.query = query
    this.found = findFunctions(this.info, query)
    this.foundCount = this.found.reduce((sum, one) => sum + one, 0)
    this.drawing.setStates(this.functionStates())
    this.tell('search')
  }

  /** How functions are drawn: what was found stands out, the rest is dim. */
  functionStates(): Uint8Array {
    const states = new Uint8Array(this.found.length)
    if (this.query.trim() !== '')
      for (let i = 0; i < states.length; i++) states[i] = this.found[i] ? 1 : 2
    return states
  }

  setTab(tab: string): void {
    if (this.tab === tab) return
    this.tab = tab
    this.tell('tab')
  }

  setPlayhead(time: number | null): void {
    this.playhead = time
    this.tell('playhead')
  }

  /** A string that events name; empty until the worker told it. */
  string(index: number): string {
    const known = this.strings.get(index)
    if (known !== undefined) return known
    if (this.hasData && !this.wanted.has(index) && index >= 0) {
      this.wanted.add(index)
      queueMicrotask(() => this.fetchStrings())
    }
    return ''
  }

  private fetchStrings(): void {
    const indices = [...this.wanted]
      .filter((index) => !this.strings.has(index))
      .slice(0, 500)
    if (indices.length === 0) return
    for (const index of indices) this.strings.set(index, '')
    this.client.ask('strings', [indices]).then(
      (texts) => {
        indices.forEach((index, i) => this.strings.set(index, texts[i] ?? ''))
        this.tell('layout')
      },
      () => undefined,
    )
  }

  /** Source text of a function's file; null: not stored; undefined: not known yet. */
  source(fn: number): string | null | undefined {
    const file = this.info.functions.file[fn] ?? ''
    if (!file) return null
    const known = this.sources.get(file)
    if (known !== undefined) return known
    const packed = this.opened.sources?.[file]
    if (packed !== undefined) {
      this.sources.set(file, packed)
      return packed
    }
    return undefined
  }

  async fetchSource(fn: number): Promise<string | null> {
    const known = this.source(fn)
    if (known !== undefined) return known
    const text = await this.client.ask('source', [fn])
    this.sources.set(this.info.functions.file[fn] ?? '', text)
    return text
  }

  laneTable(lanes: number[] | null): Uint8Array | null {
    if (!lanes) return null
    const table = new Uint8Array(this.info.lanes.length)
    for (const lane of lanes) table[lane] = 1
    return table
  }
}
