/** Where this page's trace is: behind the server that sent the page, or inside it. */
import type { TraceInfo } from '../model/trace'
import type { Source } from './protocol'

export interface Opened {
  name: string
  source: Source
  info: TraceInfo | null // null: the worker has to read it
  index: Uint8Array | null
  sources: Record<string, string> | null // texts by path, of a report
  note: string // what is missing, of a report
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

/** Relative addresses only: the page may lie behind any prefix. */
export async function openServed(status: Status): Promise<Opened> {
  const url = new URL('trace', document.baseURI.replace(/[?#].*$/, '')).href
  let info: TraceInfo | null = null
  let index: Uint8Array | null = null
  if (status.index) {
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
    note: '',
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
    isLive: false,
  }
}
