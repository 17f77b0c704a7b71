/** The page's end of the workers. One answers what is waited for, one question at a
 * time, the urgent ones first; another walks the whole trace where that is asked, so
 * that nobody waits for it, and is ended when its answer is not wanted any more. */
import type { Ask, Requests, Told, Verb } from './protocol'

interface Pending {
  ask: Ask
  rank: number
  key: string
  resolve: (value: never) => void
  reject: (error: Error) => void
  progress: ((share: number) => void) | undefined
}

/** Of several questions with one key that wait, only the newest is asked. */
const RANKS: Partial<Record<Verb, number>> = {
  open: 0,
  info: 1,
  filter: 1,
  sums: 1,
  index: 2,
  call: 3,
  stack: 3,
  event: 3,
  strings: 4,
  values: 4,
  unwind: 4,
  logs: 4,
  source: 4,
  tile: 5,
}

export class Dropped extends Error {}

const WALKS: readonly Verb[] = [
  ...(['totals', 'tree', 'calls', 'transactions'] as const),
  ...(['variables', 'history'] as const),
]

export class Client {
  private walker: Line | null = null
  private opening: Requests['open']['args'] | null = null
  private filtering: Requests['filter']['args'] | null = null
  private sums: Uint8Array | null = null
  private readonly quick: Line
  private readonly busy: [boolean, boolean] = [false, false]
  private readonly listeners: ((busy: boolean) => void)[] = []

  constructor(private readonly script: string) {
    this.quick = new Line(script, (busy) => this.tell(0, busy))
  }

  private tell(which: 0 | 1, busy: boolean): void {
    this.busy[which] = busy
    for (const listener of this.listeners) listener(this.busy[0] || this.busy[1])
  }

  /** No question is being answered, none waits. */
  get isIdle(): boolean {
    return this.quick.isIdle && (this.walker?.isIdle ?? true)
  }

  onBusy(listener: (busy: boolean) => void): void {
    this.listeners.push(listener)
  }

  ask<V extends Verb>(
    verb: V,
    args: Requests[V]['args'],
    options: Options = {},
  ): Promise<Requests[V]['reply']> {
    if (verb === 'open') {
      this.opening = args as Requests['open']['args']
      this.walker?.close()
      this.walker = null
      this.filtering = null
    }
    if (verb === 'filter') {
      this.filtering = args as Requests['filter']['args']
      this.walker?.close()
      this.walker = null
    }
    if (!WALKS.includes(verb) || !this.opening)
      return this.quick.ask(verb, args, options)
    const key = options.key ?? verb
    if (this.walker?.runs(key)) {
      const waiting = this.walker.takeWaiting()
      this.walker.close() // a walk cannot be stopped from outside but by its end
      this.walker = this.newWalker(this.opening)
      this.walker.giveWaiting(waiting)
    }
    this.walker ??= this.newWalker(this.opening)
    return this.walker.ask(verb, args, options)
  }

  /** Totals and trees of the trace are made by adding these from now on; null: no more
   * of those there are. */
  useSums(sums: Uint8Array | null): void {
    this.sums = sums
    if (this.walker && sums) this.giveSums(this.walker, sums)
  }

  private giveSums(walker: Line, sums: Uint8Array): void {
    walker.ask('sums', [sums], {}).catch(() => undefined)
  }

  private newWalker(opening: Requests['open']['args']): Line {
    const walker = new Line(this.script, (busy) => this.tell(1, busy))
    walker.ask('open', opening, {}).catch(() => undefined)
    if (this.filtering) walker.ask('filter', this.filtering, {}).catch(() => undefined)
    if (this.sums) this.giveSums(walker, this.sums)
    return walker
  }

  drop(prefix: string): void {
    this.quick.drop(prefix)
  }

  close(): void {
    this.quick.close()
    this.walker?.close()
  }
}

interface Options {
  key?: string
  progress?: (share: number) => void
}

let nextId = 1

/** One worker and the questions that wait for it. */
class Line {
  private readonly worker: Worker
  private waiting: Pending[] = []
  private running: Pending | null = null

  constructor(
    script: string,
    private readonly onBusy: (busy: boolean) => void,
  ) {
    const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
    this.worker = new Worker(url)
    this.worker.onmessage = (event: MessageEvent<Told>) => this.take(event.data)
    this.worker.onerror = (event) => {
      this.running?.reject(new Error(event.message || 'the worker failed'))
      this.running = null
      this.next()
    }
  }

  /** Is a question of this key being answered? */
  runs(key: string): boolean {
    return this.running?.key === key
  }

  get isIdle(): boolean {
    return this.running === null && this.waiting.length === 0
  }

  takeWaiting(): Pending[] {
    const waiting = this.waiting
    this.waiting = []
    return waiting
  }

  giveWaiting(waiting: Pending[]): void {
    this.waiting.push(...waiting)
  }

  ask<V extends Verb>(
    verb: V,
    args: Requests[V]['args'],
    options: Options,
  ): Promise<Requests[V]['reply']> {
    return new Promise((resolve, reject) => {
      const id = nextId++
      const key = options.key ?? `#${id}`
      const stale = this.waiting.filter((one) => one.key === key)
      this.waiting = this.waiting.filter((one) => one.key !== key)
      for (const one of stale) one.reject(new Dropped('asked again'))
      this.waiting.push({
        ask: { id, verb, args },
        rank: RANKS[verb] ?? 6,
        key,
        resolve,
        reject,
        progress: options.progress,
      })
      this.next()
    })
  }

  /** Forgets the questions that wait and whose key starts so. */
  drop(prefix: string): void {
    const gone = this.waiting.filter((one) => one.key.startsWith(prefix))
    this.waiting = this.waiting.filter((one) => !one.key.startsWith(prefix))
    for (const one of gone) one.reject(new Dropped('not wanted any more'))
  }

  close(): void {
    this.worker.terminate()
    for (const one of [this.running, ...this.waiting])
      one?.reject(new Dropped('asked again'))
    this.running = null
    this.waiting = []
    this.onBusy(false)
  }

  private next(): void {
    if (this.running) return
    let best: Pending | undefined
    for (const one of this.waiting) if (!best || one.rank < best.rank) best = one
    this.onBusy(best !== undefined)
    if (!best) return
    this.waiting = this.waiting.filter((one) => one !== best)
    this.running = best
    this.worker.postMessage(best.ask)
  }

  private take(told: Told): void {
    const running = this.running
    if (!running || running.ask.id !== told.id) return
    if ('share' in told) {
      running.progress?.(told.share)
      return
    }
    this.running = null
    if ('error' in told) running.reject(new Error(told.error))
    else running.resolve(told.value as never)
    this.next()
  }
}
