/** The filter's button and its panel. */
import { formatDuration, parseDuration } from '../base/units'
import { describeFilter, isFiltering, NO_FILTER, type Filter } from '../model/filter'
import type { Session } from '../view/session'
import { byId, make, replace } from './dom'

const PAUSE_MS = 350

export class Filters {
  private readonly button = byId<HTMLButtonElement>('filter')
  private readonly panel = byId('filter-panel')
  private readonly library = make('input', { type: 'checkbox', id: 'filter-library' })
  private readonly code = make('input', {
    type: 'text',
    id: 'filter-code',
    placeholder: 'app.*  -app.log',
    spellcheck: 'false',
    autocomplete: 'off',
  })
  private readonly shortest = make('input', {
    type: 'text',
    id: 'filter-shortest',
    placeholder: '10us',
    size: 8,
    autocomplete: 'off',
  })
  private readonly depth = make('input', {
    type: 'number',
    id: 'filter-depth',
    min: 1,
    max: 65535,
    placeholder: 'any',
  })
  private readonly note = make('p', { class: 'quiet', role: 'status' })
  private timer = 0

  constructor(private readonly session: Session) {
    const row = (text: string, input: HTMLElement, hint: string) => [
      make('label', { for: input.id }, text),
      make('div', {}, input, make('small', {}, hint)),
    ]
    const clear = make(
      'button',
      { type: 'button', class: 'button', id: 'filter-clear' },
      'Show all',
    )
    clear.addEventListener('click', () => this.clear())
    replace(
      this.panel,
      make(
        'div',
        { class: 'filter-grid' },
        ...row(
          'Own code only',
          this.library,
          'folds the standard library, installed packages and C functions',
        ),
        ...row(
          'Code',
          this.code,
          'modules, files or names; with - before it: all but that',
        ),
        ...row('At least', this.shortest, 'long: shorter calls are left out'),
        ...row('Depth below', this.depth, 'deeper calls are left out'),
      ),
      make('div', { class: 'filter-foot' }, this.note, clear),
    )
    this.button.addEventListener('click', () => this.toggle())
    for (const input of [this.code, this.shortest, this.depth])
      input.addEventListener('input', () => this.later())
    this.library.addEventListener('change', () => this.apply())
    this.panel.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.apply()
      if (event.key !== 'Escape') return
      event.stopPropagation()
      this.toggle(false)
    })
    document.addEventListener(
      'pointerdown',
      (event) => {
        const target = event.target as Node
        if (!this.panel.contains(target) && !this.button.contains(target))
          this.toggle(false)
      },
      { signal: session.life },
    )
    session.on('filter', () => this.render())
    this.render()
  }

  toggle(isOpen = this.panel.hidden): void {
    if (this.panel.hidden === !isOpen) return
    this.panel.hidden = !isOpen
    this.button.setAttribute('aria-expanded', String(isOpen))
    if (isOpen) {
      this.fill()
      this.library.focus()
    } else if (this.panel.contains(document.activeElement)) this.button.focus()
  }

  clear(): void {
    void this.session.setFilter(NO_FILTER)
    this.fill()
  }

  foldLibrary(): void {
    const { session } = this
    const { filter } = session
    void session.setFilter({ ...filter, foldsLibrary: !filter.foldsLibrary })
  }

  private fill(): void {
    const { filter } = this.session
    this.library.checked = filter.foldsLibrary
    this.code.value = filter.code
    this.depth.value = filter.depth > 0 ? String(filter.depth) : ''
    this.shortest.value = filter.shortest > 0 ? formatDuration(filter.shortest) : ''
  }

  /** What was typed is not applied yet. */
  get isWaiting(): boolean {
    return this.timer !== 0
  }

  private later(): void {
    clearTimeout(this.timer)
    this.timer = window.setTimeout(() => this.apply(), PAUSE_MS)
  }

  private apply(): void {
    clearTimeout(this.timer)
    this.timer = 0
    const shortest = parseDuration(this.shortest.value)
    const isWrong = shortest === null && this.shortest.value.trim() !== ''
    this.shortest.setAttribute('aria-invalid', String(isWrong))
    const filter: Filter = {
      code: this.code.value,
      foldsLibrary: this.library.checked,
      depth: Math.min(Math.max(Math.floor(Number(this.depth.value)) || 0, 0), 65535),
      shortest: shortest ?? 0,
    }
    this.session
      .setFilter(filter)
      .catch((error: unknown) => (this.note.textContent = String(error)))
  }

  private render(): void {
    const { filter, filterProgress } = this.session
    const isOn = isFiltering(filter)
    this.button.classList.toggle('on', isOn)
    const text = describeFilter(filter)
    replace(
      this.button,
      make('span', { class: 'funnel', 'aria-hidden': 'true' }),
      isOn ? text : 'Filter',
    )
    this.button.title = isOn ? `shown: ${text}` : 'show only a part of the code (L, I)'
    this.note.textContent =
      filterProgress === null
        ? isOn
          ? 'The times of what is shown stay as they were.'
          : ''
        : `Reading… ${Math.round(filterProgress * 100)} %`
    if (this.panel.hidden) this.fill()
  }
}
