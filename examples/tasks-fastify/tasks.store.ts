import pg from 'pg';

type Task = {
  readonly id: string;
  readonly user_id: string;
  readonly title: string;
  readonly description: string | null;
  readonly completed: boolean;
  readonly created_at: Date;
  readonly updated_at: Date;
};

export type NewTask = { readonly title: string; readonly description?: string | null };
export type TaskChanges = Partial<NewTask> & { readonly completed?: boolean };

/** Bounds the list of a user. */
const TASKS_PER_USER = 500;

const TABLE = `
SELECT pg_advisory_xact_lock(hashtextextended('tasks', 0));
CREATE TABLE IF NOT EXISTS tasks (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id text NOT NULL,
  title text NOT NULL,
  description text,
  completed boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS tasks_of_user ON tasks (user_id, created_at);
`;

export type TaskStore = {
  /** Oldest first. */
  list(userId: string): Promise<Task[]>;
  /** Undefined if the user has too many tasks. */
  create(userId: string, task: NewTask): Promise<Task | undefined>;
  /** Undefined if the user has no such task. */
  update(userId: string, id: string, changes: TaskChanges): Promise<Task | undefined>;
  /** False if the user has no such task. */
  remove(userId: string, id: string): Promise<boolean>;
  close(): Promise<void>;
};

/** Opens the store, and creates its table if it is missing. Every statement names the user. */
export async function openTaskStore(databaseUrl: string): Promise<TaskStore> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 10,
    connectionTimeoutMillis: 2_000,
    statement_timeout: 2_000,
  });
  // The next query gets a new connection.
  pool.on('error', () => {});
  await pool.query(TABLE);
  return {
    list: async (userId) =>
      (await pool.query<Task>('SELECT * FROM tasks WHERE user_id = $1 ORDER BY created_at, id', [userId])).rows,
    async create(userId, { title, description = null }) {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        // One at a time for each user, so that no two requests pass the limit together.
        await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [userId]);
        const { rows } = await client.query<Task>(
          `INSERT INTO tasks (user_id, title, description)
           SELECT $1, $2, $3 WHERE (SELECT count(*) FROM tasks WHERE user_id = $1) < $4 RETURNING *`,
          [userId, title, description, TASKS_PER_USER],
        );
        await client.query('COMMIT');
        client.release();
        return rows[0];
      } catch (err) {
        // Closes the connection, and with it the transaction.
        client.release(true);
        throw err;
      }
    },
    async update(userId, id, { title, description, completed }) {
      const { rows } = await pool.query<Task>(
        `UPDATE tasks SET title = coalesce($3, title), completed = coalesce($4, completed),
           description = CASE WHEN $5 THEN $6 ELSE description END, updated_at = now()
         WHERE id = $2 AND user_id = $1 RETURNING *`,
        [userId, id, title ?? null, completed ?? null, description !== undefined, description ?? null],
      );
      return rows[0];
    },
    remove: async (userId, id) =>
      (await pool.query('DELETE FROM tasks WHERE id = $2 AND user_id = $1', [userId, id])).rowCount === 1,
    close: () => pool.end(),
  };
}
