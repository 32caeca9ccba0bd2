import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

const chunksInsert = defineStatement('importChunksInsert')`
  INSERT INTO import_chunks (import_id, chunk, sealed) SELECT $1::uuid, chunk, sealed
  FROM unnest($2::int[], $3::text[]) AS n (chunk, sealed)`;
/** Index: the primary key. */
const chunkRead = defineStatement('importChunkRead')`
  SELECT sealed FROM import_chunks WHERE import_id = $1::uuid AND chunk = $2`;
const chunksDelete = defineStatement('importChunksDelete', 'DELETE FROM import_chunks WHERE import_id = $1::uuid');
/** Few rows: uploads that have not ended. */
const uploadsRead = defineStatement('importUploadsRead')`
  SELECT i.id FROM imports i WHERE i.finished_at IS NULL
    AND EXISTS (SELECT FROM import_chunks c WHERE c.import_id = i.id AND c.chunk = 0) ORDER BY i.created_at, i.id`;

export const insertChunks = async (tx: Sql, importId: string, sealed: readonly string[]): Promise<void> => {
  await tx.query(chunksInsert, [importId, sealed.map((_, chunk) => chunk), sealed]);
};
export const readChunk = async (sql: Sql, importId: string, chunk: number): Promise<string | undefined> =>
  (await sql.query<{ sealed: string }>(chunkRead, [importId, chunk]))[0]?.sealed;
export const deleteChunks = async (tx: Sql, importId: string): Promise<void> => {
  await tx.query(chunksDelete, [importId]);
};
/** The runs that wait for a worker, the oldest first. */
export const readUploads = async (sql: Sql): Promise<string[]> =>
  (await sql.query<{ id: string }>(uploadsRead)).map(({ id }) => id);
