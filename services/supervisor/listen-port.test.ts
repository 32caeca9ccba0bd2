import { afterEach, beforeEach, expect, test } from 'vitest';
import { randomFreePort } from '../platform/local/ports.ts';
import { chooseListenPort, freePortFrom, type WantedPort } from './listen-port.ts';
import { occupyPort } from './supervisor-harness.ts';

const host = '127.0.0.1';
let said: string[];
let taken: Awaited<ReturnType<typeof occupyPort>>;
beforeEach(async () => {
  said = [];
  taken = await occupyPort();
});
afterEach(() => taken.close());

const chooseApiPort = (wanted: number, isSet = false, more: Partial<WantedPort> = {}) =>
  chooseListenPort({
    ...{ wanted, host, loopback: 'localhost', setting: 'PORT', isSet, say: (text) => said.push(text) },
    ...more,
  });

test('a taken port and excepted ones are skipped, and 0 gives any', async () => {
  expect(await freePortFrom(taken.port, host)).toBeGreaterThan(taken.port);
  const wanted = await randomFreePort();
  expect(await freePortFrom(wanted, host)).toBe(wanted);
  expect(await freePortFrom(wanted, host, [wanted])).toBeGreaterThan(wanted);
  expect(await freePortFrom(0, host)).toBeGreaterThan(0);
});

test('a taken port is replaced by the next free one, which is logged, and the address follows', async () => {
  const api = await chooseApiPort(taken.port);
  expect(api.port).toBeGreaterThan(taken.port);
  expect(api.url).toBe(`http://127.0.0.1:${api.port}`);
  expect(said).toEqual([`port ${taken.port} is taken: using ${api.port}`]);
});

test('a port set explicitly is used or refused, now and later; 0 asks for any', async () => {
  const refusalOf = (port: number) => ({
    code: 'port_taken',
    message: expect.stringContaining(`port ${port} of ${host}, which PORT asks`),
  });
  await expect(chooseApiPort(taken.port, true)).rejects.toMatchObject(refusalOf(taken.port));
  const wanted = await randomFreePort();
  const api = await chooseApiPort(wanted, true);
  expect(api.port).toBe(wanted);
  await expect(api.move([])).rejects.toMatchObject(refusalOf(wanted));
  await (await chooseApiPort(0, true)).move([]);
});

test('a move goes to the next free port that is not excepted', async () => {
  const api = await chooseApiPort(await randomFreePort());
  const { port: before } = api;
  await api.move([before + 1]);
  expect(api.port).toBeGreaterThan(before + 1);
  expect(api.url).toBe(`http://127.0.0.1:${api.port}`);
  expect(said.at(-1)).toBe(`port ${before} is taken: using ${api.port}`);
});

test('the MCP server does not take the port of the API, and messages name its own setting', async () => {
  const wanted = await randomFreePort();
  const mcp = await chooseApiPort(wanted, false, { setting: 'MCP_PORT', except: [wanted] });
  expect(said).toEqual([`MCP port ${wanted} is taken: using ${mcp.port}`]);
  const set = chooseApiPort(wanted, true, { setting: 'MCP_PORT', except: [wanted] });
  await expect(set).rejects.toThrow('which MCP_PORT asks for');
});
