/** The whole trace in a strip: lanes in a few pixels, the window, what was found. */
import { toNanos, toPixels, type Span } from '../model/window'
import { fitCanvas } from './canvas'
import type { Session } from './session'
import type { Colours } from './colours'

const LANES_MAX = 44

export class Minimap {
  private picture: HTMLCanvasElement | null = null
  private density: Float32Array | null = null

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly session: Session,
  ) {
    session.on(['layout', 'theme', 'data'], () => (this.picture = null))
    session.on('search', () => {
      this.picture = null
      this.density = null
    })
    this.listen()
  }

  private span(): Span {
    return this.session.whole
  }

  /** Draws the lanes once per size and theme; the core's canvas is free by then. */
  private paint(colours: Colours): HTMLCanvasElement {
    const { session, canvas } = this
    const picture = document.createElement('canvas')
    picture.width = canvas.width
    picture.height = canvas.height
    const shown = session.states.filter((state) => !state.isHidden)
    const every = Math.ceil(shown.length / LANES_MAX) // of many some stand for all
    const states = shown.filter((_, i) => i % every === 0)
    const scale = Math.max(1, Math.round(window.devicePixelRatio))
    session.drawing.clear(canvas.width, canvas.height, colours.dark)
    const each = Math.max(
      Math.floor((canvas.height - 4) / Math.max(states.length, 1)),
      1,
    )
    const rowsEach =
      states.length === 1 ? 14 : Math.max(Math.floor(each / (2 * scale)), 1)
    states.forEach((state, i) => {
      const top = 2 + i * each
      if (top + each > canvas.height) return
      const rows = Math.min(rowsEach, Math.max(state.rows, 1))
      const rowHeight = Math.max(
        Math.min(Math.floor((each - (each > 4 ? 1 : 0)) / rows), 5 * scale),
        1,
      )
      session.drawing.lane({
        lane: state.lane,
        from: this.span().from,
        to: this.span().to,
        rowFirst: 1,
        rowCount: rows,
        top,
        marksTop: -100,
        rowHeight,
        marksHeight: 0,
        upper: top,
        bottom: Math.min(top + each, canvas.height),
        scale: 1,
      })
    })
    const image = session.drawing.image(canvas.width, canvas.height)
    picture.getContext('2d')?.putImageData(image, 0, 0)
    return picture
  }

  draw(colours: Colours): void {
    const { session, canvas } = this
    const context = fitCanvas(canvas)
    const width = canvas.clientWidth
    const height = canvas.clientHeight
    if (
      !this.picture ||
      this.picture.width !== canvas.width ||
      this.picture.height !== canvas.height
    )
      this.picture = this.paint(colours)
    context.drawImage(this.picture, 0, 0, width, height)
    if (session.query.trim() !== '') this.drawDensity(context, colours, width, height)
    const left = toPixels(this.span(), width, session.span.from)
    const right = Math.max(toPixels(this.span(), width, session.span.to), left + 2)
    context.fillStyle = colours.dark ? 'rgb(0 0 0 / 55%)' : 'rgb(236 240 245 / 72%)'
    context.fillRect(0, 0, Math.max(left, 0), height)
    context.fillRect(right, 0, Math.max(width - right, 0), height)
    context.strokeStyle = colours.accent
    context.lineWidth = 1.5
    context.beginPath()
    context.roundRect(
      left + 0.75,
      0.75,
      Math.max(right - left - 1.5, 2),
      height - 1.5,
      3,
    )
    context.stroke()
    for (const [time, colour] of [
      ...session.marks.map((mark) => [mark, colours.mark] as const),
      ...(session.playhead === null
        ? []
        : [[session.playhead, colours.playhead] as const]),
    ]) {
      context.fillStyle = colour
      context.fillRect(toPixels(this.span(), width, time) - 1, 0, 2, height)
    }
  }

  private drawDensity(
    context: CanvasRenderingContext2D,
    colours: Colours,
    width: number,
    height: number,
  ): void {
    const buckets = Math.max(Math.floor(width / 2), 1)
    if (!this.density || this.density.length !== buckets)
      this.density = this.session.drawing.density(
        this.span().from,
        this.span().to,
        buckets,
      )
    context.fillStyle = colours.background
    context.fillRect(0, height - 9, width, 9)
    context.fillStyle = colours.mark
    this.density.forEach((share, i) => {
      if (share <= 0) return
      const tall = Math.max(Math.min(Math.sqrt(share), 1) * 8, 1.5)
      context.fillRect(
        (i / buckets) * width,
        height - tall,
        Math.max(width / buckets - 0.3, 1),
        tall,
      )
    })
  }

  private listen(): void {
    const { canvas, session } = this
    let grab: 'move' | 'left' | 'right' | null = null
    let offset = 0
    const at = (event: PointerEvent) =>
      toNanos(
        this.span(),
        canvas.clientWidth,
        event.clientX - canvas.getBoundingClientRect().left,
      )
    const near = (event: PointerEvent): 'move' | 'left' | 'right' => {
      const x = event.clientX - canvas.getBoundingClientRect().left
      const left = toPixels(this.span(), canvas.clientWidth, session.span.from)
      const right = toPixels(this.span(), canvas.clientWidth, session.span.to)
      if (right - left > 16 && Math.abs(x - left) < 6) return 'left'
      return right - left > 16 && Math.abs(x - right) < 6 ? 'right' : 'move'
    }
    canvas.addEventListener('pointerdown', (event) => {
      grab = near(event)
      const time = at(event)
      const { from, to } = session.span
      offset = time >= from && time <= to ? (from + to) / 2 - time : 0
      canvas.setPointerCapture(event.pointerId)
      if (grab === 'move' && offset === 0) this.centre(time)
    })
    canvas.addEventListener('pointermove', (event) => {
      if (!grab) {
        canvas.style.cursor = near(event) === 'move' ? 'grab' : 'ew-resize'
        return
      }
      const time = at(event)
      const { from, to } = session.span
      if (grab === 'move') this.centre(time + offset)
      else if (grab === 'left') session.show({ from: Math.min(time, to - 20), to })
      else session.show({ from, to: Math.max(time, from + 20) })
    })
    canvas.addEventListener('pointerup', () => (grab = null))
    canvas.addEventListener('pointercancel', () => (grab = null))
  }

  private centre(time: number): void {
    const half = (this.session.span.to - this.session.span.from) / 2
    this.session.show({ from: time - half, to: time + half })
  }
}
