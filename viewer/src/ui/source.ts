/** Source text with a function shown and lines marked. */
import { functionExtent, tokenLines, type Token } from '../base/python'
import { formatCount, formatDuration } from '../base/units'
import { findCalls, type Callee } from '../model/callees'
import { functionFull, functionPlace, pathFromProgram } from '../model/trace'
import { make, replace } from './dom'
import type { Session } from '../view/session'

const AROUND = 3
const LINES_MAX = 4000

export class SourceView {
  private shown = ''
  private request = 0
  private fn = -1
  private readonly cache = new Map<string, { lines: string[]; tokens: Token[][] }>()

  constructor(
    private readonly box: HTMLElement,
    private readonly session: Session,
  ) {}

  /** What a click on a call in the text does. */
  onCall: ((fn: number) => void) | null = null

  /** `lines`: 1-based lines to mark, such as those that calls were made from.
   * `callees`: what the function called, to be marked where the text calls it. */
  async show(
    fn: number | null,
    lines: readonly number[] = [],
    callees: readonly Callee[] = [],
  ): Promise<void> {
    const { session } = this
    const called = callees.map((one) => `${one.fn}/${one.calls}`)
    const key = `${fn}:${lines.join()}:${called.join()}`
    if (key === this.shown) return
    this.shown = key
    const request = ++this.request
    if (fn === null) {
      replace(this.box)
      return
    }
    const place = functionPlace(session.info, fn)
    let text: string | null = null
    try {
      text = await session.fetchSource(fn)
    } catch {
      this.shown = ''
    }
    if (request !== this.request) return
    const title = make(
      'div',
      { class: 'source-title', title: place },
      pathFromProgram(session.info, place) || 'no source',
    )
    if (text === null) {
      replace(
        this.box,
        title,
        make(
          'p',
          { class: 'quiet' },
          session.hasData || session.opened.sources
            ? 'The source text was not stored.'
            : 'The source text is not here yet.',
        ),
      )
      return
    }
    const before = this.box.querySelector('.source')
    const scrolled = this.fn === fn ? before?.scrollTop : undefined
    this.fn = fn
    replace(this.box, title, this.body(fn, text, lines, callees))
    const code = this.box.querySelector('.source')
    if (scrolled !== undefined && code) code.scrollTop = scrolled
    const mark =
      this.box.querySelector('.called') ?? this.box.querySelector('.of-function')
    if (mark)
      mark.scrollIntoView({
        block: this.box.querySelector('.called') ? 'center' : 'nearest',
      })
  }

  private callButton(callee: Callee, text: string): HTMLElement {
    const { session } = this
    const name = functionFull(session.info, callee.fn)
    const time = formatDuration(callee.total)
    const button = make(
      'button',
      {
        type: 'button',
        class: 'call-name',
        title: `${name}\n${formatCount(callee.calls)} calls, ${time}; to the slowest`,
        onclick: () => this.onCall?.(callee.fn),
      },
      text,
    )
    button.style.setProperty('--tint', session.drawing.colour(callee.fn, session.dark))
    return button
  }

  private body(
    fn: number,
    text: string,
    marked: readonly number[],
    callees: readonly Callee[],
  ): HTMLElement {
    const file = this.session.info.functions.file[fn] ?? ''
    let parsed = this.cache.get(file)
    if (!parsed || parsed.lines.length === 0) {
      parsed = { lines: text.split('\n'), tokens: tokenLines(text) }
      this.cache.set(file, parsed)
    }
    const first = this.session.info.functions.line[fn] || 1
    const isModule = this.session.info.functions.name[fn] === '<module>'
    const [from, to] = isModule
      ? [1, parsed.lines.length]
      : functionExtent(parsed.lines, first)
    const start = Math.max(from - AROUND, 1)
    const end = Math.min(
      Math.max(to + AROUND, start + 12),
      parsed.lines.length,
      start + LINES_MAX,
    )
    const marks = new Set(marked)
    const calls = findCalls(this.session.info, parsed.tokens, from, to, callees)
    const code = make('pre', {
      class: 'source',
      tabindex: 0,
      'aria-label': 'source text',
    })
    for (let line = start; line <= end; line++) {
      const row = make('div', { class: 'source-line' })
      if (line >= from && line <= to) row.classList.add('of-function')
      if (marks.has(line)) row.classList.add('called')
      row.append(make('span', { class: 'line-number' }, String(line)))
      const notes: string[] = []
      ;(parsed.tokens[line - 1] ?? []).forEach((token, i) => {
        const place = calls.get(`${line}:${i}`)
        if (place) {
          const { calls: count, total } = place.callee
          const all = place.isOnly ? '' : 'in all '
          if (total > 0)
            notes.push(`${all}${formatCount(count)} × ${formatDuration(total)}`)
          row.append(this.callButton(place.callee, token.text))
        } else
          row.append(
            token.kind === 'plain' || token.kind === 'name'
              ? token.text
              : make('span', { class: `t-${token.kind}` }, token.text),
          )
      })
      if (notes.length)
        row.append(make('span', { class: 'line-note' }, notes.slice(0, 3).join(', ')))
      code.append(row)
    }
    return code
  }
}
