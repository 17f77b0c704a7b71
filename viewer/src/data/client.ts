/** The page's end of the worker: one question at a time, the urgent ones first. */
import type { Ask, Requests, Told, Verb } from './protocol'

interface Pending {
  ask: Ask
  transfer: Transferable[]
  rank: number
  key: string
  resolve: (value: never) => void
  reject: (error: Error) => void
  progress: ((share: number) => void) | undefined
}

/** Of several questions with one key that wait, only the newest is asked. */
const RANKS: Partial<Record<Verb, number>> = { open: 0, info: 1, index: 2, call: 3, stack: 3, event: 3, strings: 4, values: 4, source: 4, tile: 5 }

export class Dropped extends Error {}

export class Client {
  private readonly worker: Worker
  private waiting: Pending[] = []
  private running: Pending | null = null
  private nextId = 1
  private readonly listeners: ((busy: boolean) => void)[] = []

  constructor(script: string) {
    const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
    this.worker = new Worker(url)
    this.worker.onmessage = (event: MessageEvent<Told>) => this.take(event.data)
    this.worker.onerror = (event) => {
      this.running?.reject(new Error(event.message || 'the worker failed'))
      this.running = null
      this.next()
    }
  }

  onBusy(listener: (busy: boolean) => void): void {
    this.listeners.push(listener)
  }

  ask<V extends Verb>(
    verb: V,
    args: Requests[V]['args'],
    options: { key?: string; transfer?: Transferable[]; progress?: (share: number) => void } = {},
  ): Promise<Requests[V]['reply']> {
    return new Promise((resolve, reject) => {
      const id = this.nextId++
      const key = options.key ?? `#${id}`
      const stale = this.waiting.filter((one) => one.key === key)
      this.waiting = this.waiting.filter((one) => one.key !== key)
      for (const one of stale) one.reject(new Dropped('asked again'))
      this.waiting.push({
        ask: { id, verb, args }, transfer: options.transfer ?? [], rank: RANKS[verb] ?? 6,
        key, resolve, reject, progress: options.progress,
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
  }

  private next(): void {
    if (this.running) return
    let best: Pending | undefined
    for (const one of this.waiting) if (!best || one.rank < best.rank) best = one
    for (const listener of this.listeners) listener(best !== undefined)
    if (!best) return
    this.waiting = this.waiting.filter((one) => one !== best)
    this.running = best
    this.worker.postMessage(best.ask, best.transfer)
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
