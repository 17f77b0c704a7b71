/* Reading from Python: query.h and export.h as types of marey._core.
 *
 * The classes here are thin and typed; marey/trace.py gives them a comfortable face.
 */
#ifndef MAREY_PYTHON_TRACE_H
#define MAREY_PYTHON_TRACE_H

#include "pycompat.h"

/* Adds Trace, Call, Event, Function, Lane, Process, Total, Unrecorded, merge(), pack()
 * and export_formats() to `module`. 0, or -1 with an exception set. */
int marey_add_trace_types(PyObject *module);

#endif
