// A page in a browser, for the scripts beside: what they ask of it and wait for.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const require = createRequire(join(here, '../../viewer/package.json'))
const { chromium } = require('playwright-core')

export async function start(options = {}) {
    const browser = await chromium.launch({
        executablePath: process.env.MAREY_CHROMIUM ?? '/usr/bin/chromium',
        headless: true,
        args: [
            '--no-sandbox',
            '--disable-gpu',
            '--disable-quic',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
        ],
    })
    const page = await browser.newPage({
        viewport: { width: 1280, height: 800 },
        ...options,
    })
    const shown = { errors: [], requests: [] }
    page.on('pageerror', (error) => shown.errors.push(error.stack))
    page.on(
        'console',
        (line) => line.type() === 'error' && shown.errors.push(line.text()),
    )
    page.on('request', (request) =>
        shown.requests.push(request.url().replace(/^blob:.*/, 'blob:')),
    )
    /** What an expression over `session` and `app` is. */
    const session = (expression) =>
        page.evaluate(
            `(() => { const { session, app } = marey.running(); return ${expression} })()`,
        )
    // The page allows no eval, which waitForFunction needs; evaluate goes another way.
    async function until(expression, ms = 10000) {
        const end = Date.now() + ms
        for (;;) {
            if (await page.evaluate(expression)) return
            if (Date.now() > end) throw new Error(`never so: ${expression}`)
            await page.waitForTimeout(30)
        }
    }
    const settle = (text, ms) =>
        until(
            `(() => { const r = globalThis.marey?.running(); if (!r) return false; const { session, app } = r; return ${text} })()`,
            ms,
        )
    const rows = (selector) =>
        page.$$eval(selector, (list) =>
            list.map((row) => ({
                fn: row.dataset.function,
                cells: [...row.cells].map((cell) => cell.title || cell.textContent),
            })),
        )
    return { browser, page, shown, session, until, settle, rows }
}
