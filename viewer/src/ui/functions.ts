/** The table of functions of the window, the area, or the whole trace. */
import { Dropped } from '../data/client'
import type { Total, Totals } from '../data/protocol'
import { formatCount, formatDuration, plural } from '../base/units'
import {
  functionFull,
  functionLabel,
  functionPlace,
  isLibrary,
  shortPath,
} from '../model/trace'
import { announce, make, replace } from './dom'
import { functionButton, showSlowest, slowestTable } from './details'
import { histogramView } from './histogram'
import type { Chosen, Session } from '../view/session'
import type { SourceView } from './source'

/** Of a function that --max-overhead left out: what its row does not hold. */
interface Missed {
  calls: number
  mark: string // before the number of calls, where it is no exact one
  atLeast: string // before times
  told: string
}

const NOTHING: Missed = { calls: 0, mark: '', atLeast: '', told: '' }

interface Column {
  name: string
  title: string
  value: (row: Total, missed: Missed) => number
  text: (row: Total, missed: Missed) => string
  grows?: boolean // with each call that is recorded
  isLink?: boolean // to the call it tells of
}

const leastOf = (column: Column, missed: Missed) =>
  column.grows ? missed.atLeast : ''

const COLUMNS: readonly Column[] = [
  {
    name: 'Calls',
    title: 'calls begun',
    value: (r, missed) => r[1] + missed.calls,
    text: (r, missed) => missed.mark + formatCount(r[1] + missed.calls),
  },
  {
    name: 'Total',
    title: 'time inside it, recursion counted once',
    value: (r) => r[2],
    text: (r) => formatDuration(r[2]),
    grows: true,
  },
  {
    name: 'Self',
    title: 'without the calls it made',
    value: (r) => r[3],
    text: (r) => formatDuration(r[3]),
    grows: true,
  },
  {
    name: 'Mean',
    title: 'total per call',
    value: (r) => r[2] / Math.max(r[1], 1),
    text: (r) => formatDuration(r[2] / Math.max(r[1], 1)),
  },
  {
    name: 'Median',
    title: 'half of the calls took less',
    value: (r) => r[6],
    text: (r) => formatDuration(r[6]),
  },
  {
    name: '99 %',
    title: '99 of 100 calls took less',
    value: (r) => r[8],
    text: (r) => formatDuration(r[8]),
  },
  {
    name: 'Slowest',
    title: 'the longest call',
    value: (r) => r[5],
    text: (r) => formatDuration(r[5]),
    grows: true,
    isLink: true,
  },
]

export class Functions {
  private totals: Totals | null = null
  private rows: Total[] = []
  private sorted = 2 // column; -1: the name
  private isUp = false
  private stale = true
  private readonly missed = new Map<number, Missed>()
  private readonly head = make('thead')
  private readonly body = make('tbody')
  private readonly scroller = make('div', {
    class: 'table-scroll',
    tabindex: 0,
    'aria-label': 'functions',
  })
  private readonly scope = make('span', { class: 'scope' })
  private readonly progress = make('progress', { max: 1, value: 0, hidden: true })
  private readonly hint = make(
    'span',
    { class: 'hint' },
    'Choose a function for its callers, callees and slowest calls',
  )
  private readonly onlyOwn = make('input', { type: 'checkbox', id: 'only-own' })

  constructor(
    box: HTMLElement,
    private readonly aside: HTMLElement,
    private readonly session: Session,
    private readonly source: SourceView,
    private readonly goTo: (chosen: Chosen) => void,
  ) {
    source.onCall = (fn) => this.choose(fn)
    this.onlyOwn.addEventListener('change', () => this.arrange())
    replace(
      box,
      make(
        'div',
        { class: 'tools' },
        this.scope,
        this.progress,
        make('label', {}, this.onlyOwn, ' only the program’s own code'),
        this.hint,
      ),
      this.scroller,
    )
    this.scroller.append(
      make(
        'table',
        { class: 'table functions' },
        make('caption', { class: 'unseen' }, 'Functions by time'),
        this.head,
        this.body,
      ),
    )
    this.scroller.addEventListener('scroll', () => this.renderRows())
    new ResizeObserver(() => this.renderRows()).observe(this.scroller)
    session.on(['area', 'data'], () => this.invalidate())
    session.on('tab', () => this.refresh())
    session.on(['search', 'theme'], () => this.arrange())
    session.on('function', () => {
      this.renderRows()
      void this.renderAside()
    })
  }

  /** The window of the numbers: the area when there is one. */
  private selection() {
    const { area } = this.session
    return area
      ? {
          from: Math.max(Math.floor(area.from), 0),
          to: Math.max(Math.ceil(area.to), 0),
          lanes: this.session.laneTable(area.lanes),
        }
      : { from: -1, to: -1, lanes: null }
  }

  private invalidate(): void {
    this.stale = true
    this.refresh()
  }

  private refresh(): void {
    if (this.session.tab === 'functions' && this.stale && this.session.hasData)
      void this.load()
  }

  private async load(): Promise<void> {
    const { session } = this
    this.stale = false
    const { area } = session
    this.scope.textContent = area
      ? `Selected ${formatDuration(area.to - area.from)}` +
        (area.lanes
          ? `, ${area.lanes.length} ${area.lanes.length === 1 ? 'lane' : 'lanes'}`
          : '')
      : 'Whole recording'
    this.progress.hidden = false
    try {
      this.totals = await session.client.ask('totals', [this.selection()], {
        key: 'totals',
        progress: (share) => (this.progress.value = share),
      })
      this.progress.hidden = true
      this.arrange()
      announce(`${this.rows.length} functions`)
      void this.renderAside()
    } catch (error) {
      if (error instanceof Dropped) return
      this.progress.hidden = true
      this.scope.textContent = String(error)
    }
  }

  private missedOf(fn: number): Missed {
    return this.missed.get(fn) ?? NOTHING
  }

  private textOf(column: Column, row: Total): string {
    const missed = this.missedOf(row[0])
    return leastOf(column, missed) + column.text(row, missed)
  }

  /** How many calls went unrecorded is known of the whole recording alone. */
  private findMissed(): void {
    const { area, info } = this.session
    this.missed.clear()
    for (const one of info.left_out ?? []) {
      if (area && area.to <= one.since_ns) continue
      const calls = area ? 0 : one.calls_counted + one.calls_estimated
      const isSum = !area && one.is_whole
      this.missed.set(one.function, {
        calls,
        mark: !isSum ? '≥ ' : one.calls_estimated > 0 ? '≈ ' : '',
        atLeast: '≥ ',
        told:
          `left out from ${formatDuration(one.since_ns)} on` +
          (area ? '' : `; ${formatCount(calls)} calls since then not recorded`),
      })
    }
  }

  private arrange(): void {
    if (!this.totals) return
    const { info, found, query } = this.session
    this.findMissed()
    const searching = query.trim() !== ''
    const own = this.onlyOwn.checked
    this.rows = this.totals.rows.filter(
      (row) => (!searching || found[row[0]]) && !(own && isLibrary(info, row[0])),
    )
    const column = COLUMNS[this.sorted]
    const sign = this.isUp ? 1 : -1
    if (column)
      this.rows.sort(
        (a, b) =>
          sign *
            (column.value(a, this.missedOf(a[0])) -
              column.value(b, this.missedOf(b[0]))) || a[0] - b[0],
      )
    else
      this.rows.sort(
        (a, b) =>
          sign * functionFull(info, a[0]).localeCompare(functionFull(info, b[0])),
      )
    this.renderHead()
    this.renderRows()
  }

  /** All rows, also those out of sight, between tabulators. */
  asText(): string {
    const { info } = this.session
    const head = ['Function', 'Place', ...COLUMNS.map((column) => column.name)]
    const rows = this.rows.map((row) => [
      functionFull(info, row[0]),
      functionPlace(info, row[0]),
      ...COLUMNS.map((column) => this.textOf(column, row)),
    ])
    return [head, ...rows].map((row) => row.join('\t')).join('\n') + '\n'
  }

  private renderHead(): void {
    const cell = (name: string, title: string, index: number) => {
      const sort =
        this.sorted === index ? (this.isUp ? 'ascending' : 'descending') : 'none'
      const arrow = sort === 'none' ? '' : this.isUp ? ' ▴' : ' ▾'
      return make(
        'th',
        { class: index < 0 ? '' : 'number', 'aria-sort': sort, scope: 'col' },
        make(
          'button',
          {
            class: 'head',
            type: 'button',
            title,
            onclick: () => {
              this.isUp = this.sorted === index ? !this.isUp : index < 0
              this.sorted = index
              this.arrange()
            },
          },
          name + arrow,
        ),
      )
    }
    replace(
      this.head,
      make(
        'tr',
        {},
        cell('Function', 'module:name', -1),
        ...COLUMNS.map((c, i) => cell(c.name, c.title, i)),
      ),
    )
  }

  /** Only the rows in sight are there; two fillers keep the height. */
  private renderRows(): void {
    const { session } = this
    const height = this.scroller.clientHeight || 300
    const style = getComputedStyle(this.scroller)
    const rowHeight = Number.parseFloat(style.getPropertyValue('--row')) || 24
    const first = Math.max(Math.floor(this.scroller.scrollTop / rowHeight) - 8, 0)
    const last = Math.min(first + Math.ceil(height / rowHeight) + 16, this.rows.length)
    const most = [1, 1, 1]
    for (const row of this.rows)
      for (const i of [1, 2])
        most[i] = Math.max(most[i]!, COLUMNS[i]!.value(row, NOTHING))
    const filler = (count: number) => {
      const row = make('tr', { 'aria-hidden': 'true' })
      row.style.height = `${count * rowHeight}px`
      return row
    }
    const shown: HTMLElement[] = [filler(first)]
    for (const row of this.rows.slice(first, last)) {
      const name = functionButton(session, row[0], () => undefined) // its row hears
      const line = make(
        'tr',
        {
          class: row[0] === session.fn ? 'chosen' : '',
          'data-function': functionFull(session.info, row[0]),
          onclick: () => this.choose(row[0]),
        },
        make('td', {}, name),
      )
      const missed = this.missedOf(row[0])
      COLUMNS.forEach((column, i) => {
        const cell = make('td', {
          class: i === 1 || i === 2 ? 'number with-bar' : 'number',
          title:
            i > 0
              ? `${leastOf(column, missed)}${formatCount(column.value(row, missed))} ns`
              : missed.told,
        })
        if (i === 1 || i === 2) {
          const bar = make('span', { class: 'bar' })
          bar.style.width = `${(100 * column.value(row, missed)) / most[i]!}%`
          cell.append(bar)
        }
        const text = this.textOf(column, row)
        cell.append(column.isLink ? this.slowestButton(row[0], text) : text)
        line.append(cell)
      })
      shown.push(line)
    }
    shown.push(filler(this.rows.length - last))
    replace(this.body, ...shown)
  }

  private slowestButton(fn: number, text: string): HTMLElement {
    const go = (event: Event) => {
      event.stopPropagation()
      void showSlowest(this.session, fn, this.selection(), this.goTo)
    }
    const title = 'show this call on the time line'
    const traits = { class: 'link go', type: 'button', title, onclick: go }
    return make('button', traits, text)
  }

  private choose(fn: number): void {
    this.session.chooseFunction(fn)
  }

  private showSource(fn: number, totals: Totals): void {
    const callees = totals.edges
      .filter((edge) => edge[1] === fn)
      .map((edge) => ({ fn: edge[0], calls: edge[2], total: edge[3] }))
    void this.source.show(fn, [], callees)
  }

  private async renderAside(): Promise<void> {
    const { session, totals } = this
    const fn = session.fn
    if (session.tab !== 'functions') return
    const isEmpty = fn === null || !totals
    this.hint.hidden = !isEmpty
    this.aside.parentElement?.classList.toggle('empty', isEmpty)
    if (isEmpty) {
      replace(this.aside)
      return
    }
    this.showSource(fn, totals)
    const edges = (of: number, other: number) =>
      totals.edges
        .filter((edge) => edge[of] === fn && edge[other]! >= 0)
        .sort((a, b) => b[3] - a[3])
        .slice(0, 12)
    const table = (title: string, list: typeof totals.edges, other: 0 | 1) =>
      list.length === 0
        ? null
        : make(
            'section',
            {},
            make('h3', {}, title),
            make(
              'table',
              { class: 'table' },
              make('caption', { class: 'unseen' }, title),
              make(
                'thead',
                { class: 'unseen' },
                make(
                  'tr',
                  {},
                  ...['Function', 'Calls', 'Time'].map((name) =>
                    make('th', { scope: 'col' }, name),
                  ),
                ),
              ),
              make(
                'tbody',
                {},
                ...list.map((edge) =>
                  make(
                    'tr',
                    { 'data-edge': functionFull(session.info, edge[other]) },
                    make(
                      'td',
                      {},
                      functionButton(session, edge[other], () =>
                        this.choose(edge[other]),
                      ),
                    ),
                    make('td', { class: 'number' }, `${formatCount(edge[2])} ×`),
                    make(
                      'td',
                      { class: 'number', title: `${formatCount(edge[3])} ns` },
                      formatDuration(edge[3]),
                    ),
                  ),
                ),
              ),
            ),
          )
    const slowest = make('section')
    replace(
      this.aside,
      make(
        'h2',
        { title: functionPlace(session.info, fn) },
        functionLabel(session.info, fn),
      ),
      make('div', { class: 'place' }, shortPath(functionPlace(session.info, fn))),
      make(
        'p',
        {},
        make(
          'button',
          {
            type: 'button',
            class: 'button',
            onclick: () => session.search(functionFull(session.info, fn)),
          },
          'Find on the time line',
        ),
      ),
      table('Called by', edges(0, 1), 1),
      table('It called', edges(1, 0), 0),
      slowest,
    )
    try {
      const calls = await session.client.ask('calls', [fn, this.selection(), 30], {
        key: 'calls',
      })
      if (session.fn === fn)
        replace(
          slowest,
          make('h3', {}, `Durations of ${plural(calls.count, 'call')}`),
          calls.count > 1 && histogramView(calls.histogram, -1),
          make('h3', {}, 'Slowest'),
          slowestTable(session, fn, calls.slowest, this.goTo),
        )
    } catch {
      // asked again for another function, or stopped: nothing to show
    }
  }
}
