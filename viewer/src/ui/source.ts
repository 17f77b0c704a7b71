/** Source text with a function shown and lines marked. */
import { functionExtent, tokenLines, type Token } from '../base/python'
import { functionPlace } from '../model/trace'
import { make, replace } from './dom'
import type { Session } from '../view/session'

const AROUND = 3
const LINES_MAX = 4000

export class SourceView {
  private shown = ''
  private request = 0
  private readonly cache = new Map<string, { lines: string[]; tokens: Token[][] }>()

  constructor(
    private readonly box: HTMLElement,
    private readonly session: Session,
  ) {}

  /** `lines`: 1-based lines to mark, such as those that calls were made from. */
  async show(fn: number | null, lines: readonly number[] = []): Promise<void> {
    const { session } = this
    const key = `${fn}:${lines.join()}`
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
      place || 'no source',
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
    replace(this.box, title, this.body(fn, text, lines))
    const mark =
      this.box.querySelector('.called') ?? this.box.querySelector('.of-function')
    if (mark)
      mark.scrollIntoView({
        block: this.box.querySelector('.called') ? 'center' : 'nearest',
      })
  }

  private body(fn: number, text: string, marked: readonly number[]): HTMLElement {
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
      for (const token of parsed.tokens[line - 1] ?? [])
        row.append(
          token.kind === 'plain' || token.kind === 'name'
            ? token.text
            : make('span', { class: `t-${token.kind}` }, token.text),
        )
      code.append(row)
    }
    return code
  }
}
