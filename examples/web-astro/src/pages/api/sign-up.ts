import type { APIRoute } from 'astro';
import { openSession } from '../../lib/tokens.ts';

export const POST: APIRoute = (context) => openSession(context, '/api/auth/signup');
