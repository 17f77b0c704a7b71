/** All commands of the page: their names, keys, and what they do. */
import { EVENT_ANY, EVENT_BEGINS, EVENT_ENDS, EVENT_LINES } from '../data/protocol'
import { hasTransactions } from '../model/trace'
import type { App } from './app'
import type { Command } from './commands'
import { copyText, reportCommand, savePicture, shownText } from './share'

export function keymap(app: App): Command[] {
  const { session } = app
  const make = (
    group: string,
    name: string,
    keys: string[],
    run: () => void,
    isHeld = false,
  ): Command => ({ group, name, keys, run, isHeld })
  return [
    make('Move', 'Zoom in', ['KeyW', 'Equal'], () => app.zoom(0.6), true),
    make('Move', 'Zoom out', ['KeyS', 'Minus'], () => app.zoom(1 / 0.6), true),
    make('Move', 'Move left', ['KeyA', 'ArrowLeft'], () => app.pan(-0.15), true),
    make('Move', 'Move right', ['KeyD', 'ArrowRight'], () => app.pan(0.15), true),
    make('Move', 'Scroll up', ['PageUp'], () => app.pointer.scroll(-300), true),
    make('Move', 'Scroll down', ['PageDown'], () => app.pointer.scroll(300), true),
    make('Move', 'Whole recording', ['Digit0'], () =>
      session.show(session.whole, true),
    ),
    make('Move', 'Zoom to the chosen call', ['KeyF'], () => app.focusChosen()),
    make(
      'Move',
      'Zoom to the selected area',
      ['KeyZ'],
      () => session.area && session.show(session.area, true),
    ),
    make('Calls', 'To the caller', ['ArrowUp'], () => app.moveDepth(-1), true),
    make('Calls', 'To the call inside', ['ArrowDown'], () => app.moveDepth(1), true),
    make(
      'Calls',
      'Next call of this function',
      ['Period'],
      () => void app.sibling(false),
      true,
    ),
    make(
      'Calls',
      'Previous call of this function',
      ['Comma'],
      () => void app.sibling(true),
      true,
    ),
    make(
      'Calls',
      'Select the time of the chosen call',
      ['KeyR'],
      () =>
        session.chosen &&
        session.chooseArea({
          from: session.chosen.begin,
          to: session.chosen.end,
          lanes: [session.chosen.lane],
        }),
    ),
    make('Calls', 'Clear the choice and the area', ['Escape'], () => {
      session.choose(null)
      session.chooseArea(null)
    }),
    make('Marks', 'Mark (or unmark) this moment', ['KeyM'], () => app.mark()),
    make('Marks', 'Next mark', ['BracketRight'], () => app.toMark(1)),
    make('Marks', 'Previous mark', ['BracketLeft'], () => app.toMark(-1)),
    make('Film', 'Play or pause', ['Space'], () => app.film.toggle()),
    make(
      'Film',
      'Next event',
      ['Shift+ArrowRight'],
      () => void app.film.step(false, EVENT_ANY),
      true,
    ),
    make(
      'Film',
      'Previous event',
      ['Shift+ArrowLeft'],
      () => void app.film.step(true, EVENT_ANY),
      true,
    ),
    make('Film', 'Next call', ['Shift+ArrowDown'], () => {
      void app.film.step(false, EVENT_BEGINS)
    }),
    make('Film', 'Previous call', ['Shift+ArrowUp'], () => {
      void app.film.step(true, EVENT_BEGINS)
    }),
    make('Film', 'Next return', [], () => void app.film.step(false, EVENT_ENDS)),
    make('Film', 'Previous return', [], () => void app.film.step(true, EVENT_ENDS)),
    make('Film', 'Next line that was logged', ['KeyJ'], () => {
      void app.film.step(false, EVENT_LINES)
    }, true),
    make('Film', 'Previous line that was logged', ['KeyK'], () => {
      void app.film.step(true, EVENT_LINES)
    }, true),
    make('Film', 'Remove the playhead', [], () => session.setPlayhead(null)),
    make('Find', 'Search', ['Slash', 'Ctrl+KeyF'], () => app.finder.focus()),
    make('Find', 'Next found', ['KeyN'], () => void app.finder.nextFound(false)),
    make(
      'Find',
      'Previous found',
      ['Shift+KeyN'],
      () => void app.finder.nextFound(true),
    ),
    make('Find', 'Find a lane', ['Ctrl+KeyP'], () => app.openLanes()),
    make('Filter', 'Fold library code (or unfold it)', ['KeyL'], () =>
      app.filters.foldLibrary(),
    ),
    make('Filter', 'Filter by code, duration, depth', ['KeyI'], () =>
      app.filters.toggle(),
    ),
    make('Filter', 'Show all code again', [], () => app.filters.clear()),
    make('Show', 'The chosen call', ['Digit1'], () => session.setTab('call')),
    make('Show', 'Functions', ['Digit2'], () => session.setTab('functions')),
    make('Show', 'Flame graph', ['Digit3'], () => session.setTab('flame')),
    make('Show', 'Film', ['Digit4'], () => session.setTab('film')),
    ...(hasTransactions(session.info)
      ? [make('Show', 'Transactions', ['Digit5'], () => session.setTab('transactions'))]
      : []),
    make('Show', 'Values of a variable as a lane', ['KeyV'], () => {
      void app.openVariables()
    }),
    make('Show', 'Hide lanes that are idle in this window', ['KeyH'], () =>
      session.hideIdle(),
    ),
    make('Show', 'Fold all lanes', [], () => app.foldAll('thin')),
    make('Show', 'Unfold and show all lanes', [], () => app.foldAll('all')),
    make('Show', 'Light or dark', ['KeyT'], () => app.switchTheme()),
    make('Page', 'Commands', ['Shift+Period', 'Ctrl+Shift+KeyP'], () =>
      app.commands.openPalette(),
    ),
    make('Page', 'Keys', ['Shift+Slash'], () => app.commands.openHelp()),
    make('Copy', 'Copy the address of this view', [], () => {
      void copyText(app.places.address(), 'address')
    }),
    make('Copy', 'Copy what the panel shows as text', ['Shift+KeyC'], () => {
      void copyText(
        session.tab === 'functions' ? app.functions.asText() : shownText(session),
        'text',
      )
    }),
    make('Copy', 'Copy a command line that reports this window', [], () => {
      void copyText(reportCommand(session), 'command')
    }),
    make('Copy', 'Save the time line as a picture', [], () =>
      savePicture(app.timeline, `${session.opened.name}.png`),
    ),
  ]
}
