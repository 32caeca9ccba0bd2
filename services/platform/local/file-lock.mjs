// Plain JavaScript, because the bootstrap takes this lock on the system's Node before anything is installed.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const pollMs = 50;
const abandonedBreakMs = 10_000;

/**
 * Id of the current boot. Process start times are ticks since boot, so after a reboot another process may have
 * the same pid and the same ticks.
 * @type {string | undefined}
 */
let bootId;

/** @returns {string} */
function currentBoot() {
  try {
    bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    bootId = '';
  }
  return bootId;
}

/**
 * Opaque start time of a process, which differs if its pid is reused, also after a reboot; undefined if the process
 * has ended, also if it is a zombie.
 * @param {number} pid
 * @returns {string | undefined}
 */
export function processStart(pid) {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // A killed server with several threads is a zombie while its other threads still hold its port.
      const hasEnded = fields[0] === 'X' || (fields[0] === 'Z' && Number(fields[17]) <= 1);
      return hasEnded ? undefined : `${currentBoot()}:${fields[19]}`;
    } catch {
      return undefined;
    }
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether the recorded process, not a later one with its pid, still runs.
 * @param {{ pid: number, start?: string | undefined }} holder
 */
export function isSameProcessAlive(holder) {
  const start = processStart(holder.pid);
  return start !== undefined && (holder.start === undefined || holder.start === start);
}

/**
 * The holder of the lock; undefined when it is free. A lock file appears with its whole content, so one that
 * cannot be parsed was truncated by a crash of the machine: its holder (pid 0) is dead.
 * @param {string} path
 * @returns {{ pid: number, start?: string } | undefined}
 */
function readHolder(path) {
  let content;
  try {
    content = readFileSync(path, 'utf8');
  } catch (err) {
    if (/** @type {NodeJS.ErrnoException} */ (err).code === 'ENOENT') return undefined;
    throw err;
  }
  try {
    const holder = JSON.parse(content);
    return Number.isInteger(holder.pid) ? holder : { pid: 0, start: '' };
  } catch {
    return { pid: 0, start: '' };
  }
}

/** @param {string} path  @param {string} candidate  @returns {boolean} whether `candidate` now is the file at `path` */
function tryLink(path, candidate) {
  try {
    linkSync(candidate, path);
    return true;
  } catch (err) {
    if (/** @type {NodeJS.ErrnoException} */ (err).code === 'EEXIST') return false;
    throw err;
  }
}

/** Removes files that a process killed while waiting or holding left beside the lock. @param {string} path  @param {number} pid */
function removeCandidates(path, pid) {
  for (const name of readdirSync(dirname(path))) {
    if (name.startsWith(`${basename(path)}.${pid}.`)) rmSync(join(dirname(path), name), { force: true });
  }
}

/**
 * Removes a lock whose holder is dead. Two waiters may decide that at the same time, and the slower must not remove
 * the new lock of the faster: so each checks again under a second, short lock.
 * @param {string} path  @param {string} candidate
 */
function breakAbandoned(path, candidate) {
  const breaker = `${path}.break`;
  if (!tryLink(breaker, candidate)) {
    try {
      if (Date.now() - statSync(breaker).ctimeMs > abandonedBreakMs) rmSync(breaker, { force: true });
    } catch {
      // Another waiter has removed it.
    }
    return;
  }
  try {
    const holder = readHolder(path);
    if (holder && !isSameProcessAlive(holder)) {
      rmSync(path, { force: true });
      if (holder.pid > 0 && processStart(holder.pid) === undefined) removeCandidates(path, holder.pid);
    }
  } finally {
    rmSync(breaker, { force: true });
  }
}

/**
 * Runs `work` while holding the lock file at `path`. Waits for a live holder, and takes over from a dead one.
 * @template T
 * @param {string} path  a file in an existing directory
 * @param {() => Promise<T> | T} work
 * @param {(holderPid: number) => void} [onWait]  called once if another live process holds the lock
 * @returns {Promise<T>}
 */
export async function withFileLock(path, work, onWait) {
  const candidate = `${path}.${process.pid}.${randomUUID()}`;
  try {
    writeFileSync(candidate, JSON.stringify({ pid: process.pid, start: processStart(process.pid) }), { mode: 0o600 });
    let told = false;
    while (!tryLink(path, candidate)) {
      const holder = readHolder(path);
      if (holder && !isSameProcessAlive(holder)) {
        breakAbandoned(path, candidate);
        continue;
      }
      if (holder && !told) {
        told = true;
        onWait?.(holder.pid);
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    try {
      return await work();
    } finally {
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(candidate, { force: true });
  }
}
