import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What `init` writes: a configuration to fill in, and the policies and tests that the package ships. */
export function starterFiles(): readonly { readonly file: string; readonly text: string }[] {
  // The same number of folders up from src/cli and from dist/cli.
  const examples = join(import.meta.dirname, '../../policies/examples');
  return [
    { file: 'sallyport.yaml', text: STARTER_CONFIG },
    { file: 'policies/starter.cedar', text: readFileSync(join(examples, 'starter.cedar'), 'utf8') },
    { file: 'policies/starter.test.yaml', text: readFileSync(join(examples, 'starter.test.yaml'), 'utf8') },
  ];
}

const STARTER_CONFIG = `# yaml-language-server: $schema=https://sallyport.dev/schema/v1.json
# Every problem of this file at once:  sallyport check --config sallyport.yaml
# What each key means:                 docs/configuration.md

gateway:
  name: gw                          # with public_url, the audit log's origin: keep it
  data_dir: ./data                  # keys, state, audit log; ca.pem is what clients trust
  # public_url: https://gw.example.com:8443
  tls: auto                         # auto = a CA of its own in data_dir; {cert, key}; off on loopback only

listeners:
  api: 127.0.0.1:8443
  postgres: 127.0.0.1:5433          # psql "host=127.0.0.1 port=5433 dbname=crm user=YOU sslmode=verify-full sslrootcert=data/ca.pem"

identity:
  # People, by your identity provider:
  # providers:
  #   - { name: okta, type: oidc, issuer: https://example.okta.com, client_id: sallyport, groups_claim: groups,
  #       groups: trusted, groups_allowed: [developers, dba, fraud] }
  # Programs, and people until there is a provider. A token:  sallyport token create app --ttl 12h --config sallyport.yaml
  service_accounts:
    - { name: app, groups: [developers], person: owner@example.com }
    - { name: analyst, groups: [developers, fraud], person: analyst@example.com }
    - { name: release-manager, groups: [dba], person: lead@example.com, may_approve: true }
  agents:
    - { name: claude-code, groups: [agents], on_behalf_of: required }

targets:
  - name: crm                       # clients say dbname=crm
    protocol: postgres
    address: db.internal:5432
    tls: verify-full
    # ca: ./db-ca.pem               # where the system's CAs do not sign for it
    database: crm
    credential:                     # first match wins; \${env:…} and \${file:…} keep secrets out of this file
      - { for: { groups: [developers, dba] }, user: gateway_rw, password: "\${env:CRM_RW}" }
      - { user: gateway_ro, password: "\${env:CRM_RO}" }
    labels: { env: prod }
    # mode: { observe: true, until: 2027-01-31 }   # decide and record, but let pass; at most 90 days
    classify:                       # what is sensitive, by column; policies speak of the label
      - { column: public.customers.ssn, label: pii }
      - { column: "*.email", label: pii }

policies: [./policies/*.cedar]
labels_required: [env]              # a target without them is never opened
`;
