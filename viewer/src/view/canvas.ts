/** Canvases that fit their boxes; how wide texts on them are. */

const WIDTHS_MAX = 20000 // of texts that are kept
const GLYPHS = 'abcdefghijklmnopqrstuvwxyz_ABCDEFGH' // as wide as names are, on average
const widths = new Map<string, Map<string, number>>() // by font

/** A canvas as large as its box, in device pixels. */
export function fitCanvas(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio))
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio))
  if (canvas.width !== width) canvas.width = width
  if (canvas.height !== height) canvas.height = height
  const context = canvas.getContext('2d')
  if (!context) throw new Error('this browser draws no canvas')
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  return context
}

/** How wide a text is in a font, which is the one that is set. Asking the canvas takes
 * longer than to draw what is seen, and so does asking it for its font. */
export function textWidth(
  context: CanvasRenderingContext2D,
  font: string,
  text: string,
): number {
  let known = widths.get(font)
  if (!known || known.size > WIDTHS_MAX) {
    known = new Map()
    widths.set(font, known)
  }
  let width = known.get(text)
  if (width === undefined) {
    width = context.measureText(text).width
    known.set(text, width)
  }
  return width
}

/** What of a name fits into a width: all of it, else its last part, which tells more
 * than its first, else the beginning of that. Empty where no two letters fit. */
export function fitted(
  context: CanvasRenderingContext2D,
  font: string,
  name: string,
  room: number,
): string {
  if (textWidth(context, font, name) <= room) return name
  const last = name.slice(name.lastIndexOf('.') + 1)
  const text = /^[\p{L}_]{2}/u.test(last) ? last : name
  if (text !== name && textWidth(context, font, text) <= room) return text
  const glyph = textWidth(context, font, GLYPHS) / GLYPHS.length
  const count = Math.floor(room / glyph) - 1
  if (count < 2) return ''
  const cut = text.slice(0, count) + '…'
  const over = textWidth(context, font, cut) / room
  const less = over <= 1 ? cut : text.slice(0, Math.floor((count - 1) / over)) + '…'
  return less.length < 3 ? '' : less
}
