/** Mouse, wheel and touch on the lanes and the ruler. */
import { panned, toNanos, zoomed, framed } from '../model/window'
import { FLAG_LOSS } from '../data/drawing'
import { formatCount, formatDuration, formatMoment } from '../base/units'
import { functionFull, functionPlace } from '../model/trace'
import { lossText, pieceText, plainNumber } from '../view/notes'
import type { Hit, Timeline } from '../view/timeline'
import { make, replace } from './dom'
import type { Session } from '../view/session'

const CLICK_SLACK = 4

export class Pointer {
  private readonly tip = make('div', { class: 'tip', role: 'tooltip', hidden: true })

  constructor(
    private readonly session: Session,
    private readonly timeline: Timeline,
    private readonly ruler: HTMLCanvasElement,
    private readonly chooseHit: (hit: Hit) => void,
  ) {
    document.body.append(this.tip)
    this.wheel(timeline.overlay)
    this.wheel(ruler)
    this.drag()
    this.dragRuler()
    timeline.overlay.addEventListener('dblclick', (event) => {
      const hit = timeline.hit(event.offsetX, event.offsetY)
      if (hit) session.show(framed({ from: hit.begin, to: hit.end }, 0.7), true)
    })
    timeline.overlay.addEventListener('pointerleave', () => this.hover(null))
  }

  private wheel(element: HTMLElement): void {
    element.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault()
        const { session } = this
        const { span } = session
        const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1
        const length = span.to - span.from
        const canScroll = session.height > this.timeline.overlay.clientHeight
        if (
          event.ctrlKey ||
          event.metaKey ||
          event.altKey ||
          element === this.ruler ||
          (!canScroll &&
            !event.shiftKey &&
            Math.abs(event.deltaY) > Math.abs(event.deltaX))
        ) {
          const anchor = toNanos(span, element.clientWidth, event.offsetX)
          session.show(zoomed(span, Math.exp(event.deltaY * unit * 0.0022), anchor))
        } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
          const by = (event.deltaX || event.deltaY) * unit
          session.show(panned(span, (by / element.clientWidth) * length))
        } else this.scroll(event.deltaY * unit)
        this.hover(null)
      },
      { passive: false },
    )
  }

  scroll(by: number): void {
    const { session } = this
    const most = Math.max(session.height - this.timeline.overlay.clientHeight, 0)
    session.scrollTop = Math.round(Math.min(Math.max(session.scrollTop + by, 0), most))
    session.tell('layout')
  }

  private drag(): void {
    const { session, timeline } = this
    const element = timeline.overlay
    let start: {
      x: number
      y: number
      from: number
      pan: boolean
      scroll: number
      isMoved: boolean
    } | null = null
    element.addEventListener('pointerdown', (event) => {
      if (event.button > 1) return
      element.focus({ preventScroll: true })
      element.setPointerCapture(event.pointerId)
      start = {
        x: event.offsetX,
        y: event.offsetY,
        from: session.span.from,
        scroll: session.scrollTop,
        pan: event.shiftKey || event.button === 1 || event.pointerType === 'touch',
        isMoved: false,
      }
    })
    element.addEventListener('pointermove', (event) => {
      if (!start) {
        this.hover(event)
        return
      }
      const dx = event.offsetX - start.x
      if (Math.abs(dx) + Math.abs(event.offsetY - start.y) > CLICK_SLACK)
        start.isMoved = true
      if (!start.isMoved) return
      this.hover(null)
      if (start.pan) {
        const length = session.span.to - session.span.from
        const from = start.from - (dx / element.clientWidth) * length
        session.show({ from, to: from + length })
        this.scroll(start.scroll - (event.offsetY - start.y) - session.scrollTop)
      } else {
        const a = timeline.timeAt(start.x)
        const b = timeline.timeAt(event.offsetX)
        timeline.dragged = { from: Math.min(a, b), to: Math.max(a, b) }
        timeline.request()
      }
    })
    const end = (event: PointerEvent) => {
      const was = start
      const area = timeline.dragged
      start = null
      timeline.dragged = null
      if (!was) return
      if (!was.isMoved) {
        const hit = timeline.hit(event.offsetX, event.offsetY)
        const value = hit ? null : timeline.valueAt(event.offsetX, event.offsetY)
        if (hit && hit.depth >= 0) this.chooseHit(hit)
        else if (value) session.setPlayhead(value.begin)
        else {
          session.choose(null)
          session.chooseArea(null)
        }
      } else if (area)
        session.chooseArea({ ...area, lanes: this.lanesBetween(was.y, event.offsetY) })
      timeline.request()
    }
    element.addEventListener('pointerup', end)
    element.addEventListener('pointercancel', () => (start = null))
  }

  /** Lanes that a drag touched; null: all of them. */
  private lanesBetween(y0: number, y1: number): number[] | null {
    const { session } = this
    const top = Math.min(y0, y1) + session.scrollTop
    const bottom = Math.max(y0, y1) + session.scrollTop
    const lanes = session.strips
      .filter(
        (strip) =>
          strip.kind === 'lane' && strip.top < bottom && strip.top + strip.height > top,
      )
      .map((strip) => strip.state!.lane)
    return lanes.length === 0 || lanes.length === session.info.lanes.length
      ? null
      : lanes
  }

  private dragRuler(): void {
    const { session, ruler } = this
    let from: number | null = null
    let x0 = 0
    ruler.addEventListener('pointerdown', (event) => {
      ruler.setPointerCapture(event.pointerId)
      x0 = event.offsetX
      from = toNanos(session.span, ruler.clientWidth, event.offsetX)
    })
    ruler.addEventListener('pointermove', (event) => {
      if (from === null || Math.abs(event.offsetX - x0) < CLICK_SLACK) return
      const to = toNanos(session.span, ruler.clientWidth, event.offsetX)
      this.timeline.dragged = { from: Math.min(from, to), to: Math.max(from, to) }
      this.timeline.request()
    })
    ruler.addEventListener('pointerup', (event) => {
      const area = this.timeline.dragged
      this.timeline.dragged = null
      if (area) session.chooseArea({ ...area, lanes: null })
      else if (from !== null)
        session.setPlayhead(toNanos(session.span, ruler.clientWidth, event.offsetX))
      from = null
    })
    ruler.addEventListener('pointercancel', () => (from = null))
  }

  private hover(event: PointerEvent | null): void {
    const { timeline, session } = this
    const hit = event ? timeline.hit(event.offsetX, event.offsetY) : null
    session.cursor = event ? timeline.timeAt(event.offsetX) : null
    session.tell('hover')
    if (event && !hit && (this.hoverCounter(event) || this.hoverValue(event))) return
    timeline.overlay.style.cursor = hit ? 'pointer' : 'default'
    timeline.hover = hit
    this.tip.hidden = !hit
    if (!hit || !event) return
    const { info } = session
    const length = hit.end - hit.begin
    if (hit.depth < 0) {
      const name =
        hit.flags & FLAG_LOSS
          ? `events were lost here: ${lossText(hit.count, hit.flags)}`
          : session.string(hit.fn) || 'a point in time'
      replace(
        this.tip,
        make('strong', {}, name),
        make('div', {}, formatMoment(hit.begin, 1)),
      )
    } else
      replace(
        this.tip,
        make('strong', {}, timeline.describe(hit)),
        make('div', { class: 'quiet' }, functionFull(info, hit.fn)),
        make('div', { class: 'quiet' }, functionPlace(info, hit.fn)),
        hit.count === 1
          ? make(
              'div',
              {},
              `from ${formatMoment(hit.begin, Math.max(length, 100) / 100)}`,
            )
          : null,
      )
    this.placeTip(event)
  }

  private hoverCounter(event: PointerEvent): boolean {
    const { session, timeline } = this
    const found = timeline.counterAt(event.offsetX, event.offsetY)
    if (!found) return false
    const { low, high, last, series } = found
    timeline.hover = null
    timeline.overlay.style.cursor = 'default'
    replace(
      this.tip,
      make(
        'strong',
        {},
        `${session.string(series.string) || 'counter'}: ${plainNumber(last)}`,
      ),
      low < high
        ? make(
            'div',
            { class: 'quiet' },
            `${plainNumber(low)} to ${plainNumber(high)} in this pixel`,
          )
        : null,
    )
    this.tip.hidden = false
    this.placeTip(event)
    return true
  }

  private hoverValue(event: PointerEvent): boolean {
    const { session, timeline } = this
    const found = timeline.valueAt(event.offsetX, event.offsetY)
    if (!found) return false
    const { history, pieces, at, begin, end } = found
    const count = pieces.countOf(at)
    const [low, high] = [pieces.low(at), pieces.high(at)]
    const text = pieceText(session, history, pieces, at)
    timeline.hover = null
    timeline.overlay.style.cursor = 'pointer'
    replace(
      this.tip,
      make('strong', {}, `${history.variable.name} = ${text}`),
      pieces.value(at) === null && low < high
        ? make('div', { class: 'quiet' }, `${plainNumber(low)} to ${plainNumber(high)}`)
        : null,
      count > 1
        ? make('div', { class: 'quiet' }, `the last of ${formatCount(count)} values`)
        : null,
      make(
        'div',
        {},
        `from ${formatMoment(begin, Math.max(end - begin, 100) / 100)}, ` +
          formatDuration(end - begin),
      ),
    )
    this.tip.hidden = false
    this.placeTip(event)
    return true
  }

  private placeTip(event: PointerEvent): void {
    const box = this.tip.getBoundingClientRect()
    const x = Math.min(event.clientX + 14, window.innerWidth - box.width - 8)
    const y =
      event.clientY + 18 + box.height > window.innerHeight
        ? event.clientY - box.height - 10
        : event.clientY + 18
    this.tip.style.transform = `translate(${Math.max(x, 4)}px, ${Math.max(y, 4)}px)`
  }
}
