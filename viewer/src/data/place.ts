/** Where this page's trace is: behind the server that sent the page, or inside it. */
import type { TraceInfo } from '../model/trace'
import type { Source } from './protocol'

export interface Opened {
  name: string
  source: Source
  info: TraceInfo | null // null: the worker has to read it
  index: Uint8Array | null
  sources: Record<string, string> | null // texts by path, of a report
  note: string // what is missing
  isCoarse: boolean // the index is of a sample; fetchIndex() has the whole
  isLive: boolean
}

interface ReportHead {
  name: string
  chunks: number
  note?: string
}

interface Status {
  name: string
  size: number
  live: boolean
  index: boolean
  coarse: boolean
}

async function unpacked(
  element: Element | null,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const text = element?.textContent
  if (!text) return null
  const binary = atob(text.trim())
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

export function unpackedById(id: string): Promise<Uint8Array<ArrayBuffer> | null> {
  return unpacked(document.getElementById(id))
}

function parsed(): Promise<void> {
  if (document.readyState !== 'loading') return Promise.resolve()
  return new Promise((resolve) =>
    document.addEventListener('DOMContentLoaded', () => resolve(), { once: true }),
  )
}

/** The report's own trace; `source` only once the whole page has come in. */
export function reportHead(): ReportHead | null {
  const text = document.getElementById('marey-report')?.textContent
  return text ? (JSON.parse(text) as ReportHead) : null
}

export async function openReport(head: ReportHead): Promise<Opened> {
  const info = await unpackedById('marey-info')
  const sources = await unpackedById('marey-sources')
  const decoder = new TextDecoder()
  return {
    name: head.name,
    source: { kind: 'bytes', parts: [] },
    info: info ? (JSON.parse(decoder.decode(info)) as TraceInfo) : null,
    index: await unpackedById('marey-index'),
    sources: sources
      ? (JSON.parse(decoder.decode(sources)) as Record<string, string>)
      : null,
    note: head.note ?? '',
    isCoarse: false,
    isLive: false,
  }
}

export async function reportSource(head: ReportHead): Promise<Source | null> {
  await parsed()
  const parts: Uint8Array[] = []
  for (let i = 0; i < head.chunks; i++) {
    const element = document.getElementById(`marey-data-${i}`)
    const part = await unpacked(element)
    if (!part) return null
    element?.remove() // the text is not needed twice
    parts.push(part)
  }
  return parts.length > 0 ? { kind: 'bytes', parts } : null
}

export async function serverStatus(): Promise<Status | null> {
  try {
    const response = await fetch('status', { cache: 'no-store' })
    return response.ok ? ((await response.json()) as Status) : null
  } catch {
    return null
  }
}

/** Names and the index of a sample: there before the index itself is made. */
async function fetchCoarse(): Promise<[TraceInfo, Uint8Array] | null> {
  const reply = await fetch('coarse')
  if (!reply.ok) return null
  const bytes = await reply.arrayBuffer()
  if (bytes.byteLength === 0) return null // the index itself is there as quickly
  const size = Number(new DataView(bytes).getBigUint64(0, true))
  const text = new TextDecoder().decode(new Uint8Array(bytes, 8, size))
  return [JSON.parse(text) as TraceInfo, new Uint8Array(bytes, 8 + size)]
}

export async function fetchIndex(): Promise<Uint8Array> {
  const reply = await fetch('index')
  if (!reply.ok) throw new Error(await reply.text())
  return new Uint8Array(await reply.arrayBuffer())
}

/** Relative addresses only: the page may lie behind any prefix. */
export async function openServed(status: Status): Promise<Opened> {
  const url = new URL('trace', document.baseURI.replace(/[?#].*$/, '')).href
  let info: TraceInfo | null = null
  let index: Uint8Array | null = null
  const coarse = status.coarse ? await fetchCoarse() : null
  if (coarse) {
    ;[info, index] = coarse
  } else if (status.index) {
    const [infoReply, indexReply] = await Promise.all([fetch('info'), fetch('index')])
    if (infoReply.ok && indexReply.ok) {
      info = (await infoReply.json()) as TraceInfo
      index = new Uint8Array(await indexReply.arrayBuffer())
    }
  }
  return {
    name: status.name,
    source: { kind: 'url', url, size: status.size },
    info,
    index,
    sources: null,
    note: coarse ? 'A first impression: the whole is being read…' : '',
    isCoarse: coarse !== null,
    isLive: status.live,
  }
}

export function openFile(file: File): Opened {
  return {
    name: file.name,
    source: { kind: 'file', file },
    info: null,
    index: null,
    sources: null,
    note: '',
    isCoarse: false,
    isLive: false,
  }
}
