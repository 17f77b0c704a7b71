// What the page says and copies, for comparison with the terminal:
//   node reading.mjs ADDRESS FOLDER OTHER-TRACE
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { start } from './driver.mjs'

const [address, folder, other] = process.argv.slice(2)
const { browser, page, shown, session, act, until, settle, open, rows } = await start({
    permissions: ['clipboard-read', 'clipboard-write'],
})
await open(address)

const edges = () =>
    page.$$eval('#functions-aside section', (sections) =>
        Object.fromEntries(
            sections
                .filter((one) => one.querySelector('[data-edge]'))
                .map((one) => [
                    one.querySelector('h3').textContent,
                    [...one.querySelectorAll('[data-edge]')].map((row) => [
                        row.dataset.edge,
                        row.cells[1].textContent,
                        row.cells[2].title,
                    ]),
                ]),
        ),
    )
async function command(name) {
    await page.focus('#overlay')
    await page.keyboard.press('Shift+Period')
    await page.keyboard.type(name)
    await page.keyboard.press('Enter')
}
const clipboard = () => page.evaluate('navigator.clipboard.readText()')

/** All that is told of one window. */
async function told(scope) {
    await page.click('#tab-functions')
    await until(
        `document.querySelector('#functions-table .scope').textContent.startsWith('${scope}') && document.querySelector('#functions-table progress').hidden`,
    )
    const window = { functions: await rows('tr[data-function]') }
    await page.click('tr[data-function="app:middle"] .link')
    await page.waitForSelector('#functions-aside [data-edge]')
    window.edges = await edges()
    await command('report this window')
    window.command = await clipboard()
    await command('panel shows as text')
    window.text = await clipboard()
    await page.click('#tab-flame')
    await until(
        `document.querySelector('#flame-scope').textContent.startsWith('${scope}')`,
    )
    // What its boxes are drawn from, added up by function.
    window.flame = await session(`(() => {
        const sums = {}
        const { tree } = app.flame
        for (let i = 0; i < tree.fn.length; i++) {
            if (tree.fn[i] < 0) continue
            const name = session.info.functions.name[tree.fn[i]]
            sums[name] = (sums[name] ?? 0) + tree.self[i]
        }
        return sums
    })()`)
    return window
}
shown.whole = await told('Whole')
await act('session.chooseArea({ from: 30500.4, to: 70499.6, lanes: [0] })')
shown.area = await told('Selected')
await command('address of this view')
shown.address = await clipboard()

// Arrows lie between the lanes: their colour is found where one passes.
shown.flows = await session('[...session.drawing.flows(session.whole.from, session.whole.to, 9)]')
shown.arrow = await session(`(() => {
    const { overlay } = app.timeline
    const context = overlay.getContext('2d')
    const strips = session.strips.filter((one) => one.kind === 'lane')
    const y = Math.round(strips[1].top - session.scrollTop - 4)
    const line = context.getImageData(0, y, overlay.width, 1).data
    const found = []
    for (let x = 0; x < overlay.width; x++)
        if (line[4 * x + 3] > 60 && line[4 * x + 2] > line[4 * x] + 60) found.push(x / overlay.width)
    return found
})()`)

const saving = page.waitForEvent('download')
await command('as a picture')
const saved = await saving
shown.picture = saved.suggestedFilename()
await saved.saveAs(join(folder, 'saved.png'))

// A file that is dropped is shown instead.
const bytes = readFileSync(other).toString('base64')
await page.evaluate(`(() => {
    const bytes = Uint8Array.from(atob('${bytes}'), (one) => one.charCodeAt(0))
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File([bytes], 'dropped.marey'))
    document.dispatchEvent(new DragEvent('drop', { dataTransfer, cancelable: true }))
})()`)
await settle(`session.opened.name === 'dropped.marey' && session.hasData`)
shown.dropped = await session('session.info.functions.name')
await page.keyboard.press('2')
await page.waitForSelector('tr[data-function]')
shown.droppedFunctions = await rows('tr[data-function]')
await browser.close()
console.log(JSON.stringify(shown))
