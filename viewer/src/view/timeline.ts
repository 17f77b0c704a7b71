/** The lanes: rectangles by the core, names and what is chosen on a canvas above. */
import {
  countOf,
  FLAG_DENSE,
  FLAG_SUSPENDED,
  type Pieces,
  type Rects,
} from '../data/drawing'
import { Dropped } from '../data/client'
import { formatCount, formatDuration } from '../base/units'
import { stripAt, type Strip } from '../model/lanes'
import { functionLabel } from '../model/trace'
import {
  approached,
  tileLevel,
  tilesOf,
  toNanos,
  toPixels,
  TILE_RESOLUTION,
} from '../model/window'
import { fitCanvas, fitted } from './canvas'
import type { Session } from './session'
import type { Colours } from './colours'
import type { History } from './histories'
import { counterAt, drawPieceNotes, drawPointNotes, pieceAt } from './notes'

export interface Hit {
  strip: Strip
  lane: number
  depth: number // -1: a mark
  fn: number // of a mark: its string
  flags: number
  count: number
  begin: number
  end: number
  time: number
}

interface Drawn {
  strip: Strip
  top: number // CSS pixels, on the canvas
  rects: Rects
}

const LABEL_LEAST = 24
const TILES_WAITING = 6

export class Timeline {
  private drawn: Drawn[] = []
  private counters: { strip: Strip; points: Float32Array }[] = []
  private pieces: { strip: Strip; top: number; history: History; pieces: Pieces }[] = []
  private frame = 0
  hover: Hit | null = null
  dragged: { from: number; to: number } | null = null
  readonly frames: number[] = [] // script time of the last frames, for measuring
  onFrame: ((colours: Colours) => void) | null = null

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly overlay: HTMLCanvasElement,
    private readonly session: Session,
    private readonly colours: () => Colours,
  ) {
    const topics = [
      'window',
      'layout',
      'chosen',
      'area',
      'search',
      'marks',
      'playhead',
      'theme',
      'data',
      'hover',
      'function',
    ] as const
    session.on([...topics], () => this.request())
    new ResizeObserver(() => this.request()).observe(canvas)
  }

  request(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw())
  }

  /** What is shown is not yet what the session says, or is still gliding there. */
  get isDrawing(): boolean {
    return this.frame !== 0 || this.session.target !== null
  }

  private draw(): void {
    const start = performance.now()
    const { session } = this
    this.frame = 0
    if (session.target) {
      session.span = approached(session.span, session.target, 0.28)
      if (session.span === session.target) session.target = null
      session.tell('window')
    }
    session.seenHeight = this.canvas.clientHeight
    const colours = this.colours()
    this.drawLanes(colours)
    this.drawOverlay(colours)
    this.onFrame?.(colours)
    if (this.frames.push(performance.now() - start) > 600) this.frames.shift()
  }

  private drawLanes(colours: Colours): void {
    const { session, canvas } = this
    const ratio = window.devicePixelRatio || 1
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio))
    const height = Math.max(1, Math.round(canvas.clientHeight * ratio))
    if (canvas.width !== width) canvas.width = width
    if (canvas.height !== height) canvas.height = height
    session.drawing.clear(width, height, colours.dark)
    this.drawn = []
    this.counters = []
    this.pieces = []
    const coarse: number[] = []
    for (const strip of session.strips) {
      const top = strip.top - session.scrollTop
      if (top + strip.height < 0) continue
      if (top > canvas.clientHeight) break
      if (strip.kind === 'lane') this.drawLane(strip, top, ratio, height, coarse)
      else if (strip.kind === 'counter') this.drawCounter(strip, top, ratio)
      else if (strip.kind === 'history') this.drawHistory(strip, top, ratio)
    }
    canvas.getContext('2d')?.putImageData(session.drawing.image(width, height), 0, 0)
    this.fetchTiles(coarse, width)
  }

  private drawLane(
    strip: Strip,
    top: number,
    ratio: number,
    height: number,
    coarse: number[],
  ): void {
    const { session } = this
    const state = strip.state!
    const rowsTop = top + strip.marksHeight
    const rowHeight = strip.rowHeight * ratio
    const first = Math.max(0, Math.floor(-rowsTop / strip.rowHeight))
    const visible = Math.ceil(this.canvas.clientHeight / strip.rowHeight) + 1
    const rowCount = Math.min(strip.rowsShown - first, visible)
    const { rects, isCoarse } = session.drawing.lane({
      lane: state.lane,
      from: session.span.from,
      to: session.span.to,
      rowFirst: first + 1,
      rowCount: Math.max(rowCount, 0),
      top: Math.round(rowsTop * ratio),
      marksTop: Math.round((top + 2) * ratio),
      rowHeight: Math.max(Math.round(rowHeight), 1),
      marksHeight: Math.round(Math.max(strip.marksHeight - 4, 0) * ratio),
      upper: Math.max(Math.round(top * ratio), 0),
      bottom: Math.min(Math.round((top + strip.height - 4) * ratio), height),
      scale: Math.max(Math.round(ratio), 1),
    })
    this.drawn.push({ strip, top, rects })
    if (isCoarse) coarse.push(state.lane)
  }

  private drawCounter(strip: Strip, top: number, ratio: number): void {
    const { session } = this
    const points = session.drawing.counter(
      strip.series!.series,
      session.span.from,
      session.span.to,
      Math.round((top + 3) * ratio),
      Math.max(Math.round((strip.height - 8) * ratio), 2),
    )
    this.counters.push({ strip, points })
  }

  private drawHistory(strip: Strip, top: number, ratio: number): void {
    const { session } = this
    const history = session.histories.list.find(
      (one) => one.variable === strip.variable,
    )
    if (!history?.facts) return
    const pieces = session.drawing.history(
      history.slot,
      session.span.from,
      session.span.to,
      Math.round((top + 3) * ratio),
      Math.max(Math.round((strip.height - 8) * ratio), 4),
      Math.max(Math.round(ratio), 1),
    )
    this.pieces.push({ strip, top, history, pieces })
  }

  /** Detail that the index does not have: asked of the worker, drawn when it comes. */
  private fetchTiles(lanes: number[], width: number): void {
    const { session } = this
    if (!session.hasData || lanes.length === 0) return
    if (session.target) return // not while gliding
    const level = tileLevel(session.span, width)
    const size = 2 ** level
    let asked = 0
    session.client.drop('tile')
    for (const lane of lanes)
      for (const at of tilesOf(session.span, level)) {
        const key = `tile:${lane}:${level}:${at}`
        if (session.drawing.hasTile(key) || asked >= TILES_WAITING * 4) continue
        asked++
        session.client
          .ask('tile', [lane, at * size, (at + 1) * size, TILE_RESOLUTION], { key })
          .then(
            (bytes) => {
              session.drawing.addTile(key, bytes)
              this.request()
            },
            (error: unknown) => {
              if (!(error instanceof Dropped)) console.warn('tile:', error)
            },
          )
      }
  }

  // ---- the canvas above ----

  private drawOverlay(colours: Colours): void {
    const { session, overlay } = this
    const context = fitCanvas(overlay)
    const width = overlay.clientWidth
    const height = overlay.clientHeight
    context.clearRect(0, 0, width, height)
    context.font = colours.font
    context.textBaseline = 'middle'
    this.drawBands(context, colours, width, height)
    context.fillStyle = colours.label
    for (const drawn of this.drawn) {
      this.drawLabels(context, drawn, colours)
      const { strip, top, rects } = drawn
      drawPointNotes(context, session, colours, strip, top, rects, width)
    }
    for (const { strip, top, history, pieces } of this.pieces)
      drawPieceNotes(context, session, colours, { strip, top, history, pieces, width })
    context.fillStyle = colours.label
    this.drawStripLines(context, colours, width)
    this.drawFlows(context, colours, width)
    this.drawOutline(context, colours, width)
    this.drawVerticals(context, colours, width, height)
    if (session.strips.length === 0) {
      context.fillStyle = colours.muted
      context.textAlign = 'center'
      context.fillText(
        'Nothing was recorded in this trace.',
        width / 2,
        Math.min(height / 2, 120),
      )
      context.textAlign = 'left'
    }
  }

  private drawBands(
    context: CanvasRenderingContext2D,
    colours: Colours,
    width: number,
    height: number,
  ): void {
    const { session } = this
    const area = this.dragged ?? session.area
    if (!area) return
    const left = toPixels(session.span, width, area.from)
    const right = toPixels(session.span, width, area.to)
    context.fillStyle = colours.area
    context.fillRect(left, 0, right - left, height)
    context.strokeStyle = colours.accent
    context.lineWidth = 1
    context.strokeRect(Math.round(left) + 0.5, -1, Math.round(right - left), height + 2)
  }

  private drawLabels(
    context: CanvasRenderingContext2D,
    drawn: Drawn,
    colours: Colours,
  ): void {
    const { strip, rects } = drawn
    if (strip.rowHeight < 12) return
    const { session } = this
    const ratio = window.devicePixelRatio || 1
    const edge = this.overlay.clientWidth
    const least = LABEL_LEAST * ratio
    const rowsTop = drawn.top + strip.marksHeight + strip.rowHeight / 2 - 0.5
    const dim = session.query.trim() !== ''
    context.fillStyle = colours.label
    for (let i = 0; i < rects.count; i++) {
      if (rects.right(i) - rects.left(i) < least) continue
      const row = rects.row(i)
      const flags = rects.flags(i)
      if (row === 0 || flags & FLAG_SUSPENDED) continue
      const fn = rects.fn(i)
      const left = Math.max(rects.left(i) / ratio, 0) + 4
      const room = Math.min(rects.right(i) / ratio, edge) - left - 5
      if (room < LABEL_LEAST - 8) continue
      const name = functionLabel(session.info, fn)
      const label =
        flags & FLAG_DENSE ? `×${formatCount(rects.countOf(i))} ${name}` : name
      const text = fitted(context, colours.font, label, room)
      if (text === '') continue
      context.globalAlpha =
        dim && !session.found[fn] ? 0.35 : flags & FLAG_DENSE ? 0.75 : 1
      context.fillText(text, left, rowsTop + (row - 1) * strip.rowHeight)
    }
    context.globalAlpha = 1
    context.fillStyle = colours.label
  }

  private drawStripLines(
    context: CanvasRenderingContext2D,
    colours: Colours,
    width: number,
  ): void {
    const { session } = this
    context.strokeStyle = colours.line
    context.lineWidth = 1
    context.beginPath()
    for (const strip of session.strips) {
      const bottom = Math.round(strip.top + strip.height - session.scrollTop) - 2.5
      if (bottom < 0 || bottom > this.overlay.clientHeight) continue
      context.moveTo(0, bottom)
      context.lineTo(width, bottom)
    }
    context.stroke()
  }

  private drawFlows(
    context: CanvasRenderingContext2D,
    colours: Colours,
    width: number,
  ): void {
    const { session } = this
    const flows = session.drawing.flows(session.span.from, session.span.to, 400)
    if (flows.length === 0) return
    const middles = new Map<number, number>()
    for (const strip of session.strips)
      if (strip.kind === 'lane')
        middles.set(
          strip.state!.lane,
          strip.top - session.scrollTop + strip.marksHeight + 8,
        )
    context.strokeStyle = colours.accent
    context.globalAlpha = 0.65
    context.beginPath()
    for (let i = 0; i + 3 < flows.length; i += 4) {
      const y0 = middles.get(flows[i + 2]!)
      const y1 = middles.get(flows[i + 3]!)
      if (y0 === undefined || y1 === undefined) continue
      const x0 = toPixels(session.span, width, flows[i]!)
      const x1 = toPixels(session.span, width, flows[i + 1]!)
      const bend = Math.max(Math.abs(x1 - x0) / 2, 18)
      context.moveTo(x0, y0)
      context.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1)
      context.moveTo(x1 - 5, y1 - 3)
      context.lineTo(x1, y1)
      context.lineTo(x1 - 5, y1 + 3)
    }
    context.stroke()
    context.globalAlpha = 1
  }

  private rowTop(lane: number, depth: number): { top: number; height: number } | null {
    const strip = this.session.strips.find(
      (one) => one.kind === 'lane' && one.state?.lane === lane,
    )
    if (!strip || depth >= strip.rowsShown) return null
    const top =
      strip.top - this.session.scrollTop + strip.marksHeight + depth * strip.rowHeight
    return { top, height: strip.rowHeight }
  }

  private drawOutline(
    context: CanvasRenderingContext2D,
    colours: Colours,
    width: number,
  ): void {
    const { session } = this
    const outline = (
      lane: number,
      depth: number,
      begin: number,
      end: number,
      strong: boolean,
    ) => {
      const row = this.rowTop(lane, depth)
      if (!row) return
      const left = Math.max(toPixels(session.span, width, begin), -4)
      const right = Math.min(toPixels(session.span, width, end), width + 4)
      context.strokeStyle = strong ? colours.chosen : colours.text
      context.lineWidth = strong ? 2 : 1
      context.strokeRect(left, row.top, Math.max(right - left - 1, 2), row.height - 1)
    }
    const hover = this.hover
    if (hover && hover.depth >= 0)
      outline(hover.lane, hover.depth, hover.begin, hover.end, false)
    const chosen = session.chosen
    if (chosen) outline(chosen.lane, chosen.depth, chosen.begin, chosen.end, true)
    context.lineWidth = 1
  }

  private drawVerticals(
    context: CanvasRenderingContext2D,
    colours: Colours,
    width: number,
    height: number,
  ): void {
    const { session } = this
    const line = (time: number, colour: string, thick: number) => {
      const x = toPixels(session.span, width, time)
      if (x < 0 || x > width) return
      context.fillStyle = colour
      context.fillRect(x - thick / 2, 0, thick, height)
    }
    for (const mark of session.marks) line(mark, colours.mark, 1.5)
    if (session.cursor !== null) line(session.cursor, colours.cursor, 1)
    if (session.playhead !== null) line(session.playhead, colours.playhead, 2)
  }

  // ---- what lies under a point ----

  timeAt(x: number): number {
    return toNanos(this.session.span, this.canvas.clientWidth, x)
  }

  laneAt(y: number): Strip | undefined {
    return stripAt(this.session.strips, y + this.session.scrollTop)
  }

  /** The counter under a point and its value there. */
  counterAt(x: number, y: number) {
    const strip = this.laneAt(y)
    const found = this.counters.find((one) => one.strip === strip)
    const value = found && counterAt(found.points, x * (window.devicePixelRatio || 1))
    return value ? { series: found.strip.series!, ...value } : null
  }

  /** The value a variable has under a point. */
  valueAt(x: number, y: number) {
    const strip = this.laneAt(y)
    const found = this.pieces.find((one) => one.strip === strip)
    const ratio = window.devicePixelRatio || 1
    const at = found ? pieceAt(found.pieces, x * ratio) : -1
    if (!found || at < 0) return null
    const { history, pieces } = found
    const begin = this.timeAt(pieces.left(at) / ratio)
    return { history, pieces, at, begin, end: this.timeAt(pieces.right(at) / ratio) }
  }

  hit(x: number, y: number): Hit | null {
    const strip = this.laneAt(y)
    const drawn = this.drawn.find((one) => one.strip === strip)
    if (!strip || !drawn) return null
    const ratio = window.devicePixelRatio || 1
    const inside = y - drawn.top - strip.marksHeight
    const row = inside < 0 ? 0 : Math.floor(inside / strip.rowHeight) + 1
    const slack = row === 0 ? 6 * ratio : 1.5
    const { rects } = drawn
    let best = -1
    let nearest = Infinity
    for (let i = 0; i < rects.count; i++) {
      if (rects.row(i) !== row || rects.flags(i) & FLAG_SUSPENDED) continue
      const left = rects.left(i)
      const right = rects.right(i)
      const far =
        x * ratio < left ? left - x * ratio : x * ratio > right ? x * ratio - right : 0
      if (far < nearest && far <= slack) {
        nearest = far
        best = i
      }
    }
    if (best < 0) return null
    const begin = this.timeAt(rects.left(best) / ratio)
    const end = this.timeAt(rects.right(best) / ratio)
    const at = this.timeAt(x)
    return {
      strip,
      lane: strip.state!.lane,
      depth: row - 1,
      fn: rects.fn(best),
      flags: rects.flags(best),
      count: countOf(rects.words[best * 5 + 3]! >>> 24),
      begin,
      end,
      time: Math.min(Math.max(at, begin), Math.max(end, begin)),
    }
  }

  /** Scrolls so that a row of a lane is seen. */
  reveal(lane: number, depth: number): void {
    const { session } = this
    const state = session.states.find((one) => one.lane === lane)
    if (!state) return
    const strip = () =>
      session.strips.find((one) => one.kind === 'lane' && one.state === state)
    if (state.isHidden || (strip()?.rowsShown ?? 0) <= depth) {
      state.isHidden = false
      state.fold = 'all'
      session.arrange()
    }
    const found = strip()
    if (!found) return
    const top = found.top + found.marksHeight + depth * found.rowHeight
    const height = this.canvas.clientHeight
    if (top < session.scrollTop + 4) session.scrollTop = Math.max(top - 30, 0)
    else if (top + session.rowHeight > session.scrollTop + height)
      session.scrollTop = Math.min(
        top - height / 2,
        Math.max(session.height - height, 0),
      )
    session.tell('layout')
  }

  describe(hit: Hit): string {
    const name = functionLabel(this.session.info, hit.fn)
    const time = formatDuration(hit.end - hit.begin)
    return hit.flags & FLAG_DENSE
      ? `about ${formatCount(hit.count)} calls, mostly ${name}, in ${time}`
      : `${name}, ${time}`
  }
}
