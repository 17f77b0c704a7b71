/** Bytes of a trace by range, synchronously: what the core reads from. Worker only. */
import type { Source } from './protocol'

export interface Bytes {
  readonly size: number
  /** Fills `to` from `offset`; false when that cannot be. */
  read(offset: number, to: Uint8Array): boolean
}

class PartBytes implements Bytes {
  readonly size: number
  private readonly starts: number[] = []

  constructor(private readonly parts: Uint8Array[]) {
    let size = 0
    for (const part of parts) {
      this.starts.push(size)
      size += part.length
    }
    this.size = size
  }

  read(offset: number, to: Uint8Array): boolean {
    if (offset < 0 || offset + to.length > this.size) return false
    let index = this.starts.findLastIndex((start) => start <= offset)
    let done = 0
    while (done < to.length) {
      const part = this.parts[index]
      const start = this.starts[index]
      if (!part || start === undefined) return false
      const from = offset + done - start
      const some = part.subarray(from, from + to.length - done)
      to.set(some, done)
      done += some.length
      index++
    }
    return true
  }
}

const BLOCK = 1 << 20
const BLOCKS_MAX = 64
/** Up to here a served trace is fetched at once: faster than a thousand ranges. */
const WHOLE_MAX = 1 << 28

/** A slow source, by blocks, the newest kept. */
abstract class BlockBytes implements Bytes {
  private readonly blocks = new Map<number, Uint8Array>()

  constructor(readonly size: number) {}

  protected abstract fetch(from: number, to: number): Uint8Array | null

  private block(index: number): Uint8Array | null {
    const kept = this.blocks.get(index)
    if (kept) return kept
    const from = index * BLOCK
    const bytes = this.fetch(from, Math.min(from + BLOCK, this.size))
    if (!bytes) return null
    const oldest = this.blocks.keys().next()
    if (this.blocks.size >= BLOCKS_MAX && !oldest.done) this.blocks.delete(oldest.value)
    this.blocks.set(index, bytes)
    return bytes
  }

  read(offset: number, to: Uint8Array): boolean {
    if (offset < 0 || offset + to.length > this.size) return false
    if (to.length > BLOCK * 4) {
      const bytes = this.fetch(offset, offset + to.length)
      if (!bytes || bytes.length !== to.length) return false
      to.set(bytes)
      return true
    }
    let done = 0
    while (done < to.length) {
      const at = offset + done
      const block = this.block(Math.floor(at / BLOCK))
      const some = block?.subarray(at % BLOCK, (at % BLOCK) + to.length - done)
      if (!some || some.length === 0) return false
      to.set(some, done)
      done += some.length
    }
    return true
  }
}

class UrlBytes extends BlockBytes {
  constructor(
    private readonly url: string,
    size: number,
  ) {
    super(size)
  }

  /** Synchronous on purpose: a worker may, and the core's reads are. */
  protected fetch(from: number, to: number): Uint8Array | null {
    const request = new XMLHttpRequest()
    request.open('GET', this.url, false)
    request.setRequestHeader('Range', `bytes=${from}-${to - 1}`)
    request.responseType = 'arraybuffer'
    try {
      request.send()
    } catch {
      return null
    }
    const body = request.response as ArrayBuffer | null
    if (!body) return null
    if (request.status === 206) return new Uint8Array(body)
    return request.status === 200 ? new Uint8Array(body).subarray(from, to) : null
  }
}

class FileBytes extends BlockBytes {
  constructor(private readonly file: File) {
    super(file.size)
  }

  protected fetch(from: number, to: number): Uint8Array | null {
    try {
      return new Uint8Array(
        new FileReaderSync().readAsArrayBuffer(this.file.slice(from, to)),
      )
    } catch {
      return null
    }
  }
}

export async function openBytes(source: Source): Promise<Bytes> {
  if (source.kind === 'bytes') return new PartBytes(source.parts)
  if (source.kind === 'file') return new FileBytes(source.file)
  if (source.size <= WHOLE_MAX) {
    const response = await fetch(source.url, { cache: 'no-store' })
    if (response.ok)
      return new PartBytes([new Uint8Array(await response.arrayBuffer())])
  }
  return new UrlBytes(source.url, source.size)
}
