import type { SessionView } from '../core/identity/contracts/sign-in-contract.ts';
import type { Caller, RequestContext } from '../core/ports.ts';
import type { ClientInfo } from '../core/tokens/token-types.ts';
import { type ExchangePorts, exchangeLegacySession } from '../wings/import/bridge/exchange-legacy-session.ts';
import {
  receiveLegacyWebhook,
  type WebhookInput,
  type WebhookPorts,
  type WebhookReceipt,
} from '../wings/import/bridge/receive-legacy-webhook.ts';
import { type LegacySession, validateLegacySession } from '../wings/import/bridge/validate-legacy-session.ts';
import { assertWing, type HasWings } from './assert-wing.ts';
import { serviceCaller } from './service-caller.ts';

type LegacySessionServicePorts = ExchangePorts & WebhookPorts & Pick<RequestContext, 'hashIdentifier'>;

/** Live sessions and webhooks of the provider that is replaced, for TypeScript code in the same process. */
export class LegacySessionService {
  readonly #ports: LegacySessionServicePorts;

  constructor(ports: LegacySessionServicePorts & HasWings) {
    assertWing(ports, 'import');
    this.#ports = ports;
  }

  #caller(clientInfo?: ClientInfo): Caller {
    return serviceCaller('legacy-session-service', clientInfo, this.#ports);
  }

  /**
   * Whether a token of the old provider proves a session: signed by it, for this application, not expired. Does not look
   * up whether its user was imported. Throws `legacy_keys_unavailable` (503) if nothing can be decided.
   */
  async validateLegacySession(session: LegacySession): Promise<boolean> {
    return (await validateLegacySession(this.#ports, session)).valid;
  }

  /**
   * Carries the session that a token of the old provider proves over, and returns the session here; the same one each
   * time. Throws as `POST /v1/legacy/sessions` does.
   */
  async migrateSessions(token: string, clientInfo?: ClientInfo): Promise<SessionView> {
    const { request } = this.#caller(clientInfo);
    return (await exchangeLegacySession(this.#ports, { token }, { kind: 'anonymous', request })).body.session;
  }

  /**
   * Receives a webhook of the old provider that your own route got: its headers, the bytes of its body, and what they
   * say. A worker applies it. Throws `legacy_webhook_forged` (401).
   */
  handleLegacyProviderWebhook(webhook: WebhookInput): Promise<WebhookReceipt> {
    return receiveLegacyWebhook(this.#ports, webhook, this.#caller());
  }
}
