/** The variables that are shown as lanes: their histories, asked for and kept. */
import { Dropped } from '../data/client'
import {
  sameVariable,
  VARIABLES_MAX,
  type Variable,
  type VariableInfo,
} from '../model/variables'
import type { Session } from './session'

export interface History {
  readonly variable: Variable
  readonly slot: number
  readonly texts: Map<number, string> // of its values, as far as they were drawn
  note: string // what stands there while there is no picture
  facts: { count: number; low: number; high: number } | null
}

const NONE = 0xffffffff

export class Histories {
  list: History[] = []
  private asked = 0

  constructor(private readonly session: Session) {
    session.on('data', () => void this.reload())
  }

  has(variable: Variable): boolean {
    return this.list.some((one) => sameVariable(one.variable, variable))
  }

  /** Shows a variable below its lane. False: there are too many. */
  add(variable: Variable): boolean {
    const { session } = this
    if (this.has(variable)) return true
    const used = new Set(this.list.map((one) => one.slot))
    const slot = [...Array(VARIABLES_MAX).keys()].find((one) => !used.has(one))
    if (slot === undefined) return false
    const history: History = {
      variable,
      slot,
      texts: new Map(),
      note: session.hasData ? 'Reading…' : '',
      facts: null,
    }
    this.list.push(history)
    const state = session.states.find((one) => one.lane === variable.lane)
    if (state?.isHidden) state.isHidden = false
    session.arrange()
    void this.load(history)
    return true
  }

  remove(history: History): void {
    this.list = this.list.filter((one) => one !== history)
    this.session.drawing.setHistory(history.slot, null)
    this.session.arrange()
  }

  /** Just these, as an address asks. */
  set(wanted: readonly Variable[]): void {
    for (const one of [...this.list])
      if (!wanted.some((variable) => sameVariable(variable, one.variable)))
        this.remove(one)
    const lanes = this.session.info.lanes.length
    for (const one of wanted) if (one.lane < lanes) this.add(one)
  }

  /** All variables of which something was logged, those that changed most first. */
  async known(
    progress: (share: number) => void,
  ): Promise<{ variables: VariableInfo[]; more: boolean }> {
    return this.session.client.ask('variables', [], { key: 'variables', progress })
  }

  text(history: History, value: number): string {
    let text = history.texts.get(value)
    if (text === undefined) {
      text = this.session.drawing.historyText(history.slot, value)
      history.texts.set(value, text)
    }
    return text
  }

  private async reload(): Promise<void> {
    for (const history of this.list) void this.load(history)
  }

  private async load(history: History): Promise<void> {
    const { session } = this
    const { lane, fn, name } = history.variable
    if (!session.hasData) return
    const key = `history:${++this.asked}`
    try {
      const bytes = await session.client.ask(
        'history',
        [lane, fn < 0 ? NONE : fn, name],
        { key },
      )
      if (!this.list.includes(history)) return
      history.texts.clear()
      session.drawing.setHistory(history.slot, bytes)
      history.facts = session.drawing.historyFacts(history.slot)
      history.note = history.facts.count === 0 ? 'No values in what is shown.' : ''
    } catch (error) {
      if (error instanceof Dropped) return
      history.note = error instanceof Error ? error.message : String(error)
    }
    session.tell('layout')
  }
}
