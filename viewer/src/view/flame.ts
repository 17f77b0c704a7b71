/** A flame graph of a window: contexts by time, merged over all their calls. */
import { formatCount, formatDuration } from '../base/units'
import { functionFull, functionLabel } from '../model/trace'
import { flameBoxes, type FlameBox, type FlameTree, type Tree } from '../model/flame'
import { fitCanvas, fitted } from './canvas'
import type { Session } from './session'
import type { Colours } from './colours'

export class Flame {
  private tree: FlameTree | null = null
  private root = 0
  private boxes: FlameBox[] = []
  private hover: FlameBox | null = null
  /** As high as a call on the time line, and a line between. */
  private get rowHeight(): number {
    return this.session.rowHeight + 1
  }

  onChoose: ((fn: number) => void) | null = null
  onHover: ((text: string) => void) | null = null

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly session: Session,
    private readonly colours: () => Colours,
    private readonly build: (tree: Tree, inverted: boolean) => FlameTree,
  ) {
    canvas.addEventListener('pointermove', (event) => this.point(event))
    canvas.addEventListener('pointerleave', () => {
      this.hover = null
      this.onHover?.('')
      this.draw()
    })
    canvas.addEventListener('click', () => this.click())
    canvas.addEventListener('dblclick', () => {
      this.root = 0
      this.draw()
    })
  }

  show(tree: Tree, inverted: boolean): void {
    this.tree = this.build(tree, inverted)
    this.root = 0
    this.hover = null
    this.draw()
  }

  draw(): void {
    const { canvas, session, tree } = this
    if (!tree || canvas.clientWidth === 0) return
    const colours = this.colours()
    const { rowHeight } = this
    const depth = tree.depthBelow(this.root)
    canvas.style.height = `${Math.max((depth + 1) * rowHeight + 4, 60)}px`
    const context = fitCanvas(canvas)
    const width = canvas.clientWidth
    this.boxes = flameBoxes(tree, this.root, width, 0.6)
    context.clearRect(0, 0, width, canvas.clientHeight)
    context.font = colours.font
    context.textBaseline = 'middle'
    const dim = session.query.trim() !== ''
    for (const box of this.boxes) {
      const fn = tree.fn[box.node]!
      const isRoot = fn < 0
      context.globalAlpha = dim && !isRoot && !session.found[fn] ? 0.3 : 1
      context.fillStyle = isRoot
        ? colours.line
        : session.drawing.colour(fn, colours.dark)
      const width = Math.max(box.width - 0.6, 0.5)
      context.fillRect(box.left, box.row * rowHeight, width, rowHeight - 1)
      if (box.width > 30) this.label(context, box, colours)
    }
    context.globalAlpha = 1
    if (this.hover) {
      context.strokeStyle = colours.text
      context.strokeRect(
        this.hover.left + 0.5,
        this.hover.row * rowHeight + 0.5,
        Math.max(this.hover.width - 1, 1),
        rowHeight - 2,
      )
    }
  }

  private name(node: number): string {
    const fn = this.tree?.fn[node] ?? -1
    return fn < 0 ? 'all' : functionLabel(this.session.info, fn)
  }

  private label(
    context: CanvasRenderingContext2D,
    box: FlameBox,
    colours: Colours,
  ): void {
    const text = fitted(context, colours.font, this.name(box.node), box.width - 8)
    context.fillStyle = colours.label
    context.fillText(text, box.left + 4, (box.row + 0.5) * this.rowHeight)
  }

  private find(event: PointerEvent): FlameBox | null {
    const box = this.canvas.getBoundingClientRect()
    const x = event.clientX - box.left
    const row = Math.floor((event.clientY - box.top) / this.rowHeight)
    return (
      this.boxes.find((b) => b.row === row && x >= b.left && x < b.left + b.width) ??
      null
    )
  }

  private point(event: PointerEvent): void {
    const found = this.find(event)
    if (found === this.hover || !this.tree) return
    this.hover = found
    this.canvas.style.cursor = found ? 'pointer' : 'default'
    if (found) {
      const fn = this.tree.fn[found.node]!
      const share =
        (100 * this.tree.total[found.node]!) / Math.max(this.tree.total[0]!, 1)
      this.onHover?.(
        `${fn < 0 ? 'all' : functionFull(this.session.info, fn)} — ` +
          `${formatDuration(this.tree.total[found.node]!)} (${share.toFixed(1)} %), ` +
          `self ${formatDuration(this.tree.self[found.node]!)}, ` +
          `${formatCount(this.tree.calls[found.node]!)} calls`,
      )
    } else this.onHover?.('')
    this.draw()
  }

  private click(): void {
    if (!this.hover || !this.tree) return
    this.root =
      this.hover.node === this.root
        ? Math.max(this.tree.parent[this.root]!, 0)
        : this.hover.node
    const fn = this.tree.fn[this.hover.node]!
    if (fn >= 0) this.onChoose?.(fn)
    this.hover = null
    this.draw()
  }
}
