/** The pure half of the page: search, lanes, windows, addresses, flames. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { functionExtent, tokenLines } from '../base/python'
import { readPlace, writePlace, type Place } from './address'
import { calledName, findCalls } from './callees'
import { functionsKept, NO_FILTER, readFilter, writeFilter } from './filter'
import { flameBoxes, inverted, upright } from './flame'
import {
  arranged,
  arrangementOf,
  readArrangement,
  writeArrangement,
} from './arrangement'
import { layout, laneStates, stripAt } from './lanes'
import { compile, findFunctions } from './search'
import { mayHaveText, pathFromProgram, type TraceInfo } from './trace'
import { approached, bounded, framed, tileLevel, tilesOf, zoomed } from './window'

const info: TraceInfo = {
  host: '',
  start_realtime_ns: 0,
  duration_ns: 1000,
  size_bytes: 0,
  events: 0,
  lost: 0,
  damaged: 0,
  skipped_bytes: 0,
  cost_python_ps: 0,
  cost_c_ps: 0,
  processes: [1, 2].map((serial) => ({
    serial,
    parent: -1,
    pid: serial,
    start_ns: 0,
    end_ns: 9,
    ended: true,
    program: 'p',
    executable: '',
    version: '',
    directory: '',
    arguments: [],
  })),
  lanes: [0, 0, 1].map((process, i) => ({
    serial: i + 1,
    process,
    kind: 1,
    is_main: i !== 0,
    native_id: i,
    start_ns: i,
    end_ns: 9,
    name: '',
    events: 1,
    lost: 0,
  })),
  functions: {
    name: ['Session.get', 'main', 'len'],
    module: ['app.db', 'app', 'builtins'],
    file: ['/x/app/db.py', '/x/app/__init__.py', ''],
    line: [3, 1, 0],
    flags: [0, 0, 1],
  },
}

test('frozen modules and C functions have no text to show', () => {
  const file = ['<frozen importlib._bootstrap>', '', '<string>', '/x/app/db.py']
  const some = { ...info, functions: { ...info.functions, file } }
  assert.deepEqual(
    file.map((_, i) => mayHaveText(some, i)),
    [false, false, true, true],
  )
})

test('a path below the directory of the program is told from there', () => {
  const some = (directory: string) => ({
    ...info,
    processes: [{ ...info.processes[0]!, directory }],
  })
  assert.equal(pathFromProgram(some('/x'), '/x/app/db.py:3'), 'app/db.py:3')
  assert.equal(pathFromProgram(some('/x/a'), '/x/app/db.py:3'), '/x/app/db.py:3')
  assert.equal(pathFromProgram(some(''), '/x/app/db.py:3'), '/x/app/db.py:3')
})

test('an address comes back as it was', () => {
  const place: Place = {
    window: { from: 5, to: 900 },
    area: { from: 10, to: 20 },
    marks: [1, 2, 3],
    call: { lane: 2, depth: 7, time: 123456789 },
    search: 'a b&c=ü/#',
    tab: 'flame',
    playhead: 77,
  }
  assert.deepEqual(readPlace('#' + writePlace(place)), place)
})

test('a strange address is an empty one', () => {
  for (const hash of [
    '',
    '#',
    '#w=5',
    '#w=9_1',
    '#c=1_2',
    '#c=-1_0_0',
    '#m=x',
    '#t=<b>',
    '#w=1e9_2e9',
  ])
    assert.deepEqual(readPlace(hash), {})
})

test('a search is a word, a pattern, or an expression', () => {
  assert.deepEqual([...findFunctions(info, 'session')], [1, 0, 0])
  assert.deepEqual([...findFunctions(info, 'app.*')], [1, 1, 0])
  assert.deepEqual([...findFunctions(info, '/^(len|main)$/')], [0, 1, 1])
  assert.deepEqual([...findFunctions(info, 'db.py')], [1, 0, 0])
  assert.deepEqual([...findFunctions(info, '/(/')], [0, 0, 0])
  assert.equal(compile('  '), null)
})

test('a window stays near its trace', () => {
  const whole = { from: 0, to: 1e9 }
  const far = bounded({ from: 5e9, to: 6e9 }, whole)
  assert.ok(far.to <= 1.05e9 && far.from >= -0.05e9)
  const tiny = bounded({ from: 100, to: 100.5 }, whole)
  assert.ok(tiny.to - tiny.from >= 19.9)
  const same = zoomed(zoomed(whole, 0.5, 3e8), 2, 3e8)
  assert.ok(Math.abs(same.from) < 1 && Math.abs(same.to - 1e9) < 1)
  assert.deepEqual(framed({ from: 40, to: 60 }, 0.5), { from: 30, to: 70 })
  const target = { from: 10, to: 20 }
  let span = whole
  for (let i = 0; i < 200; i++) span = approached(span, target, 0.28)
  assert.equal(span, target)
})

test('tiles cover the window and are finer than a pixel', () => {
  for (const length of [50, 1e4, 3e6, 2e9]) {
    const span = { from: 7e8, to: 7e8 + length }
    const level = tileLevel(span, 1600)
    const tiles = tilesOf(span, level)
    assert.ok(tiles[0]! * 2 ** level <= span.from)
    assert.ok((tiles[tiles.length - 1]! + 1) * 2 ** level > span.to)
    assert.ok(tiles.length <= 4)
    if (level > 15) assert.ok(2 ** level / 4096 <= length / 1600)
  }
})

test('lanes stand by process, the main thread first, and none overlap', () => {
  const states = laneStates(info, () => 9)
  assert.deepEqual(
    states.map((state) => state.lane),
    [1, 0, 2],
  )
  const strips = layout(info, states, [])
  let top = 0
  for (const strip of strips) {
    assert.equal(strip.top, top)
    assert.equal(stripAt(strips, top + strip.height - 1), strip)
    top += strip.height
  }
  states[2]!.isPinned = true
  assert.equal(layout(info, states, []).find((strip) => strip.state)?.state?.lane, 2)
})

test('flame graphs hold all time, upright and inverted', () => {
  const tree = {
    parent: [0, 1, 1, 3],
    function: [1, 0, 2, 0],
    calls: [1, 2, 3, 4],
    total: [100, 30, 50, 20],
    self: [20, 30, 30, 20],
  }
  const up = upright(tree)
  assert.equal(up.total[0], 100)
  const down = inverted(tree)
  assert.equal(down.total[0], 100)
  const leaves = down.childrenOf(0).map((node) => [down.fn[node], down.total[node]])
  assert.deepEqual(leaves, [
    [0, 50],
    [2, 30],
    [1, 20],
  ])
  const boxes = flameBoxes(up, 0, 200, 1)
  assert.equal(boxes.length, 5)
  for (const box of boxes) assert.ok(box.left >= 0 && box.left + box.width <= 200.001)
})

test('source keeps every character, and a function ends where its block does', () => {
  const source =
    'import os\n\ndef f(a,\n      b):\n    """text\n    more"""\n' +
    '    return a # x\n\nclass B: pass\n'
  const lines = tokenLines(source)
  assert.equal(
    lines.map((line) => line.map((token) => token.text).join('')).join('\n'),
    source,
  )
  assert.deepEqual(functionExtent(source.split('\n'), 3), [3, 7])
})

test('a filter comes back from an address, and keeps what it says', () => {
  const filter = { code: 'app.* -app.db', foldsLibrary: true, depth: 3, shortest: 1500 }
  assert.deepEqual(readFilter(decodeURIComponent(writeFilter(filter))), filter)
  assert.deepEqual(readFilter('dx!s-1!'), NO_FILTER)
  assert.equal(functionsKept(info, NO_FILTER), null)
  const kept = (code: string, foldsLibrary = false) => [
    ...functionsKept(info, { ...NO_FILTER, code, foldsLibrary })!,
  ]
  assert.deepEqual(kept('', true), [1, 1, 0])
  assert.deepEqual(kept('app.*'), [1, 1, 0])
  assert.deepEqual(kept('app.db*'), [1, 0, 0])
  assert.deepEqual(kept('app*'), [1, 1, 0])
  assert.deepEqual(kept('-app.db'), [0, 1, 1])
  assert.deepEqual(kept('-app.db app*'), [0, 1, 0])
  assert.deepEqual(kept('/^len$|main/'), [0, 1, 0])
})

test('calls are found in the text by the names of what was called', () => {
  assert.equal(calledName('Index.file'), 'file')
  assert.equal(calledName('Book.__init__'), 'Book')
  assert.equal(calledName('main.<locals>.<lambda>'), '')
  const lines = tokenLines('def main():\n    len (get(x))\n    len\n    y.get()\n')
  const callees = [0, 2].map((fn) => ({ fn, calls: 2, total: 9 }))
  const found = findCalls(info, lines, 1, 4, callees)
  const told = [...found].map(([key, place]) => [
    key.split(':')[0],
    place.callee.fn,
    place.isOnly,
  ])
  assert.deepEqual(told, [
    ['2', 2, true],
    ['2', 0, false],
    ['4', 0, false],
  ])
})

test('lanes are arranged again as an address says, usual ones take no room', () => {
  const usual = laneStates(info, () => 9)
  assert.deepEqual(writeArrangement(arrangementOf(usual, usual)), [])
  const turned = [...usual].reverse().map((state) => ({ ...state }))
  turned[0]!.isPinned = true
  turned[1]!.fold = 'thin'
  const parts = writeArrangement(arrangementOf(turned, usual))
  const parameters = new URLSearchParams(parts.join('&'))
  const want = readArrangement(parameters.get('o'), parameters.get('l'))!
  assert.deepEqual(arranged(usual, want), turned)
  const nothing = { order: [], lanes: new Map() }
  assert.deepEqual(readArrangement('x_-1', '1z_p_2hh9'), nothing)
  assert.equal(readArrangement(null, null), undefined)
})
