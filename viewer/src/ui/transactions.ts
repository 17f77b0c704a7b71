/** Units of work by name: how many, how long, where the time went, and the outliers,
 * each of which leads to its place on the time line. */
import { formatCount, formatDuration, formatMoment } from '../base/units'
import { Dropped } from '../data/client'
import type { Transaction, TransactionRow } from '../data/protocol'
import { hasTransactions, laneName } from '../model/trace'
import { framed } from '../model/window'
import type { Chosen, Session } from '../view/session'
import { announce, byId, make, replace } from './dom'
import { histogramView } from './histogram'

const SLOWEST = 40

interface Column {
  readonly name: string
  readonly title: string
  readonly value: (row: TransactionRow) => number
  readonly text: (row: TransactionRow) => string
}

const time = (
  name: string,
  title: string,
  value: (row: TransactionRow) => number,
): Column => ({ name, title, value, text: (row) => formatDuration(value(row)) })

const COLUMNS: readonly Column[] = [
  {
    name: 'Count',
    title: 'begun',
    value: (row) => row.count,
    text: (row) => formatCount(row.count),
  },
  {
    name: 'Errors',
    title: 'ended by an exception',
    value: (row) => row.errors,
    text: (row) => (row.errors ? formatCount(row.errors) : ''),
  },
  time('Total', 'begin to end, waiting included', (row) => row.total_ns),
  time('Mean', 'of one that ended', (row) => row.mean_ns),
  time('Median', 'half took less', (row) => row.p50_ns),
  time('99 %', '99 of 100 took less', (row) => row.p99_ns),
  time('Slowest', 'the longest', (row) => row.max_ns),
]

type Part = 'own_ns' | 'calls_ns' | 'c_ns' | 'children_ns' | 'waiting_ns'

/** Where the time of transactions went, in the order of the bar. */
const PARTS: readonly [Part, string][] = [
  ['own_ns', 'own code'],
  ['calls_ns', 'calls'],
  ['c_ns', 'C functions'],
  ['children_ns', 'transactions inside'],
  ['waiting_ns', 'waiting'],
]

export class Transactions {
  private rows: TransactionRow[] = []
  private chosen: TransactionRow | null = null
  private sorted = 2
  private isUp = false
  private isStale = true
  private readonly head = make('thead')
  private readonly body = make('tbody')
  private readonly scope = make('span', { class: 'scope' })
  private readonly group = make('input', {
    type: 'text',
    size: 14,
    placeholder: 'an attribute',
    'aria-label': 'one row for each value of an attribute',
    autocomplete: 'off',
    spellcheck: 'false',
  })

  constructor(
    box: HTMLElement,
    private readonly aside: HTMLElement,
    private readonly session: Session,
    private readonly goTo: (chosen: Chosen) => void,
  ) {
    this.group.addEventListener('change', () => this.invalidate())
    replace(
      box,
      make(
        'div',
        { class: 'tools' },
        this.scope,
        make('label', {}, 'A row for each ', this.group),
      ),
      make(
        'div',
        { class: 'table-scroll', tabindex: 0, 'aria-label': 'transactions' },
        make(
          'table',
          { class: 'table functions' },
          make('caption', { class: 'unseen' }, 'Transactions by time'),
          this.head,
          this.body,
        ),
      ),
    )
    session.on(['area', 'data'], () => this.invalidate())
    session.on('tab', () => this.refresh())
    this.showTab()
  }

  private showTab(): void {
    byId('tab-transactions').hidden = !hasTransactions(this.session.info)
  }

  private invalidate(): void {
    this.isStale = true
    this.showTab()
    this.refresh()
  }

  private refresh(): void {
    const { session } = this
    if (session.tab === 'transactions' && this.isStale && session.hasData)
      void this.load()
  }

  private async load(): Promise<void> {
    const { session } = this
    const { area } = session
    this.isStale = false
    this.scope.textContent = 'Reading…'
    const selection = area
      ? {
          from: Math.max(Math.floor(area.from), 0),
          to: Math.max(Math.ceil(area.to), 0),
          lanes: session.laneTable(area.lanes),
        }
      : { from: -1, to: -1, lanes: null }
    try {
      const told = await session.client.ask(
        'transactions',
        [selection, this.group.value.trim(), SLOWEST],
        { key: 'transactions' },
      )
      this.rows = told.transactions
      this.chosen = null
      this.scope.textContent = area
        ? `Selected ${formatDuration(area.to - area.from)}`
        : 'Whole recording'
      this.arrange()
      announce(`${this.rows.length} transactions by name`)
    } catch (error) {
      if (!(error instanceof Dropped)) this.scope.textContent = String(error)
    }
  }

  private arrange(): void {
    const column = COLUMNS[this.sorted]
    const sign = this.isUp ? 1 : -1
    this.rows.sort((a, b) =>
      column
        ? sign * (column.value(a) - column.value(b))
        : sign * titleOf(a).localeCompare(titleOf(b)),
    )
    this.chosen ??= this.rows[0] ?? null
    this.render()
    this.renderAside()
  }

  private headCell(name: string, title: string, index: number): HTMLElement {
    const isSorted = this.sorted === index
    const sort = isSorted ? (this.isUp ? 'ascending' : 'descending') : 'none'
    const sign = isSorted ? (this.isUp ? ' ▴' : ' ▾') : ''
    const turn = () => {
      this.isUp = isSorted ? !this.isUp : index < 0
      this.sorted = index
      this.arrange()
    }
    return make(
      'th',
      { class: index < 0 ? '' : 'number', 'aria-sort': sort, scope: 'col' },
      make(
        'button',
        { class: 'head', type: 'button', title, onclick: turn },
        name + sign,
      ),
    )
  }

  private render(): void {
    replace(
      this.head,
      make(
        'tr',
        {},
        this.headCell('Transaction', 'name', -1),
        ...COLUMNS.map((column, i) => this.headCell(column.name, column.title, i)),
      ),
    )
    replace(
      this.body,
      ...this.rows.map((row) => {
        const choose = () => {
          this.chosen = row
          this.render()
          this.renderAside()
        }
        return make(
          'tr',
          {
            class: row === this.chosen ? 'chosen' : '',
            'data-transaction': titleOf(row),
          },
          make(
            'td',
            {},
            make(
              'button',
              { class: 'link', type: 'button', onclick: choose },
              titleOf(row),
            ),
          ),
          ...COLUMNS.map((column, i) =>
            make(
              'td',
              {
                class: i === 1 ? 'number ending' : 'number',
                title: i > 1 ? `${formatCount(column.value(row))} ns` : '',
              },
              column.text(row),
            ),
          ),
        )
      }),
    )
  }

  private renderAside(): void {
    const row = this.chosen
    if (!row) {
      replace(this.aside, make('p', { class: 'quiet' }, 'No transactions here.'))
      return
    }
    const histogram = new Array<number>(64).fill(0)
    for (const [from, count] of row.histogram)
      histogram[from > 0 ? Math.round(Math.log2(from)) : 0] = count
    replace(
      this.aside,
      make('h2', {}, titleOf(row)),
      partsBar(row, true),
      make('h3', {}, `Durations of ${formatCount(row.count)}`),
      histogramView(histogram, -1),
      make('h3', {}, 'Slowest: a click shows it on the time line'),
      make(
        'table',
        { class: 'table slowest' },
        make('tbody', {}, ...row.slowest.map((one) => this.slowest(one))),
      ),
    )
  }

  private slowest(one: Transaction): HTMLElement {
    const { info } = this.session
    const lane = info.lanes[one.lane]
    const values = one.attributes
      .slice(0, 4)
      .map(([name, text]) => `${name}=${text.slice(0, 60)}`)
      .join('  ')
    const go = () => void this.show(one)
    return make(
      'tr',
      {},
      make(
        'td',
        { class: 'number' },
        make(
          'button',
          { class: 'link go', type: 'button', onclick: go },
          formatDuration(one.duration_ns),
        ),
      ),
      make('td', { class: 'number' }, formatMoment(one.begin_ns, one.duration_ns / 20)),
      make('td', { class: 'parts-cell' }, partsBar(one, false)),
      make('td', {}, lane ? laneName(lane) : ''),
      make(
        'td',
        { class: 'ending' },
        one.ended === 'returned' ? '' : `${one.ended} ${one.exception ?? ''}`,
      ),
      make('td', { class: 'values-cell', title: values }, values),
    )
  }

  private async show(one: Transaction): Promise<void> {
    const { session } = this
    const end = one.begin_ns + one.duration_ns
    session.show(framed({ from: one.begin_ns, to: end }, 0.7), true)
    const stack = await session.client
      .ask('stack', [one.lane, one.begin_ns], { key: 'stack' })
      .catch(() => [])
    const frame = stack.findLast((each) => each.begin_ns === one.begin_ns)
    const outer = stack.find((each) => each.begin_ns === one.begin_ns) ?? frame
    if (!outer) return
    this.goTo({
      lane: one.lane,
      depth: outer.depth,
      time: one.begin_ns,
      begin: one.begin_ns,
      end,
      fn: outer.function,
    })
  }
}

function titleOf(row: TransactionRow): string {
  return row.group == null ? row.name : `${row.name} · ${row.group}`
}

/** A bar of where the time went; with words where there is room. */
function partsBar(of: Transaction | TransactionRow, withWords: boolean): HTMLElement {
  const total = Math.max(
    PARTS.reduce((sum, [key]) => sum + of[key], 0),
    1,
  )
  const shown = PARTS.filter(([key]) => of[key] > 0)
  const bar = make('div', { class: 'parts', role: 'img' })
  const words = shown.map(([key, text]) => `${text} ${formatDuration(of[key])}`)
  bar.setAttribute('aria-label', words.join(', '))
  bar.title = words.join('\n')
  for (const [key] of shown) {
    const part = make('i', { class: `part-${key.replace('_ns', '')}` })
    part.style.width = `${(100 * of[key]) / total}%`
    bar.append(part)
  }
  if (!withWords) return bar
  const legend = make('p', { class: 'parts-legend' })
  shown.forEach(([key], i) =>
    legend.append(
      make('i', { class: `part-${key.replace('_ns', '')}` }),
      make('span', {}, words[i] ?? ''),
    ),
  )
  return make('div', {}, bar, legend)
}
