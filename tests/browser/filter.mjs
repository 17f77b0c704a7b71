// Leaves code out of the picture and of the numbers, and brings it back:
//   node filter.mjs ADDRESS
import { start } from './driver.mjs'

const [address] = process.argv.slice(2)
const { browser, page, shown, session, until, settle, open, place, rows } = await start()
await open(address)
const table = async () => {
    await page.keyboard.press('2')
    await page.waitForSelector('tr[data-function]')
    return rows('tr[data-function]')
}
const depths = () => session('session.states.map((state) => state.rows)')
const ready = () => settle('session.filterProgress === null')

shown.depthsBefore = await depths()
await page.keyboard.press('l') // library code folds
await ready()
shown.ownDepths = await depths()
shown.own = await table()
shown.hash = new URL(await place()).hash

// The address brings it back, with a call chosen at the depth that is now its own.
await page.mouse.click(700, 160)
await settle('session.chosen !== null')
const address2 = await place()
await open(address2)
await settle('session.chosen !== null && session.filter.foldsLibrary')
await settle('session.chosen.fn >= 0')
await page.waitForSelector('.call-title bdi:not(:text-is("?"))')
shown.again = await page.textContent('.call-title')

// By name, by depth, by duration.
await page.keyboard.press('i')
await page.waitForSelector('#filter-panel:not([hidden])')
await page.uncheck('#filter-library')
await page.fill('#filter-code', '-inner')
await ready()
await settle("session.filter.code === '-inner' && session.filterProgress === null")
await page.keyboard.press('Escape')
shown.withoutInner = (await table()).map((row) => row.fn)
await page.keyboard.press('i')
await page.fill('#filter-code', '')
await page.fill('#filter-depth', '1')
await settle('session.filter.depth === 1 && session.filterProgress === null')
shown.shallow = await depths()
await page.fill('#filter-depth', '')
await page.fill('#filter-shortest', '1500ns')
await settle('session.filter.shortest === 1500 && session.filterProgress === null')
await page.keyboard.press('Escape')
shown.long = (await table()).map((row) => [row.fn, row.cells[1]])
await page.keyboard.press('i')
await page.fill('#filter-shortest', 'soon')
shown.invalid = await page.getAttribute('#filter-shortest', 'aria-invalid')
await page.click('#filter-clear')
await ready()
shown.depthsAfter = await depths()
await until("document.querySelector('#filter').textContent === 'Filter'")
await browser.close()
console.log(JSON.stringify(shown))
