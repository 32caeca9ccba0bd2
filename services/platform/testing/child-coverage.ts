// Processes that tests start measure themselves; the worker itself is measured by vitest.
if (process.env.SALLYPORT_CHILD_COVERAGE) process.env.NODE_V8_COVERAGE = process.env.SALLYPORT_CHILD_COVERAGE;
