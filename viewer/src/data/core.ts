/** One instance of the query core. All parsing of a trace's bytes happens in there. */

export interface Host {
  read(offset: number, to: number, size: number): boolean
  tick(share: number): boolean
}

type Exports = Record<string, (...args: number[]) => number>

export class Core {
  readonly memory: WebAssembly.Memory
  private readonly exports: Exports

  private constructor(instance: WebAssembly.Instance) {
    this.exports = instance.exports as unknown as Exports
    this.memory = instance.exports['memory'] as WebAssembly.Memory
  }

  static async load(wasm: BufferSource, host?: Host): Promise<Core> {
    const imports = {
      host: {
        read: (offset: number, to: number, size: number) =>
          host?.read(offset, to >>> 0, size >>> 0) ? 1 : 0,
        tick: (share: number) => (!host || host.tick(share) ? 1 : 0),
      },
    }
    const { instance } = await WebAssembly.instantiate(wasm, imports)
    return new Core(instance)
  }

  /** Calls an export; addresses come back unsigned. */
  call(name: string, ...args: number[]): number {
    const body = this.exports[name]
    if (!body) throw new Error(`the core has no ${name}`)
    return body(...args)
  }

  /** Calls an export that returns a status; throws what the core says. */
  run(name: string, ...args: number[]): void {
    if (this.call(name, ...args) !== 0) throw new Error(this.failure())
  }

  private failure(): string {
    const at = this.call('failure_at') >>> 0
    const bytes = new Uint8Array(this.memory.buffer, at)
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)))
  }

  /** A copy of the last answer. */
  answer(): Uint8Array<ArrayBuffer> {
    const at = this.call('answer_at') >>> 0
    return new Uint8Array(
      this.memory.buffer,
      at,
      this.call('answer_size') >>> 0,
    ).slice()
  }

  /** The last answer in place: valid until the next call. */
  answerView(): { at: number; size: number } {
    return { at: this.call('answer_at') >>> 0, size: this.call('answer_size') >>> 0 }
  }

  json<T>(): T {
    return JSON.parse(new TextDecoder().decode(this.answer())) as T
  }

  /** Copies bytes in; the core owns them from here on, or bytes_free() ends them. */
  give(bytes: Uint8Array): number {
    const at = this.call('bytes_new', Math.max(bytes.length, 1)) >>> 0
    if (at === 0) throw new Error('the page has no memory left')
    new Uint8Array(this.memory.buffer, at, bytes.length).set(bytes)
    return at
  }
}
