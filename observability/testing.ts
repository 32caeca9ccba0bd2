import { createServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';

type OtlpRequest = { path: string; contentType: string; body: Buffer };

/** A collector for tests: real HTTP on a free loopback port; stores what it receives. */
export type OtlpReceiver = { endpoint: string; requests: OtlpRequest[]; close(): Promise<void> };

/** @param end ends what is connected */
async function receiving(server: Server, requests: OtlpRequest[], end: () => void): Promise<OtlpReceiver> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        end();
      }),
  };
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const requests: OtlpRequest[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const contentType = request.headers['content-type'] ?? '';
    requests.push({ path: request.url ?? '', contentType, body: Buffer.concat(chunks) });
    response.writeHead(200, { 'content-type': contentType }).end(contentType.includes('json') ? '{}' : undefined);
  });
  return receiving(server, requests, () => server.closeAllConnections());
}

const GRPC_FRAME_HEADER_BYTES = 5;

/** The same over gRPC: a request is one message, and so is its answer, which is empty. */
export async function startOtlpGrpcReceiver(): Promise<OtlpReceiver> {
  const requests: OtlpRequest[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server().on('session', (session) => sessions.add(session));
  server.on('stream', async (stream, headers) => {
    const body = Buffer.concat(await stream.toArray()).subarray(GRPC_FRAME_HEADER_BYTES);
    requests.push({ path: String(headers[':path']), contentType: String(headers['content-type']), body });
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(GRPC_FRAME_HEADER_BYTES));
  });
  return receiving(server, requests, () => {
    for (const session of sessions) session.destroy();
  });
}

export type Message = Map<number, (bigint | Buffer)[]>;

/** Reads one protobuf message (encoding specification, wire types 0, 1, 2 and 5) into field number → values. */
export function decodeMessage(bytes: Buffer): Message {
  const message: Message = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const wireType = key & 7;
    const value = wireType === 0 ? varint() : take(wireType === 1 ? 8 : wireType === 5 ? 4 : Number(varint()));
    message.set(key >> 3, [...(message.get(key >> 3) ?? []), value]);
  }
  return message;
}

/** The messages nested under a path of field numbers. */
export const nested = (message: Message, ...path: number[]): Message[] =>
  path.reduce(
    (messages, field) =>
      messages.flatMap((each) => (each.get(field) ?? []).map((value) => decodeMessage(value as Buffer))),
    [message],
  );

type ReceivedSpan = {
  service: string;
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  statusCode: number;
  statusMessage: string;
  eventCount: number;
  links: { traceId: string; spanId: string }[];
  attributes: Record<string, unknown>;
};

type JsonAttribute = { key: string; value: Record<string, unknown> };

type JsonTraces = {
  resourceSpans: {
    resource: { attributes: JsonAttribute[] };
    scopeSpans: {
      spans: (Omit<ReceivedSpan, 'attributes' | 'service'> & {
        attributes?: JsonAttribute[];
        events?: unknown[];
        status?: { code?: number; message?: string };
      })[];
    }[];
  }[];
};

const attributesOf = (attributes: readonly JsonAttribute[] = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** What was read once is not read again: tests ask while the receiver answers on the same event loop. */
const spansByRequest = new WeakMap<OtlpRequest, readonly ReceivedSpan[]>();

function spansOf(request: OtlpRequest): readonly ReceivedSpan[] {
  const known = spansByRequest.get(request);
  if (known !== undefined) return known;
  const { resourceSpans } = JSON.parse(request.body.toString()) as JsonTraces;
  const found = resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: String(attributesOf(resource.attributes)['service.name']),
        name: span.name,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        statusCode: span.status?.code ?? 0,
        statusMessage: span.status?.message ?? '',
        eventCount: span.events?.length ?? 0,
        links: span.links ?? [],
        attributes: attributesOf(span.attributes),
      })),
    ),
  );
  spansByRequest.set(request, found);
  return found;
}

export const receivedSpans = ({ requests }: Pick<OtlpReceiver, 'requests'>): ReceivedSpan[] =>
  requests
    .filter(({ path, contentType }) => path === '/v1/traces' && contentType.includes('json'))
    .flatMap((request) => spansOf(request));
