/** The connection a run belongs to, its integration, and their credentials. */

export interface Connection {
    id: number;
    connection_id: string;
    provider_config_key: string;
    provider: string;
    /** Authentication or sync problems that are open now. */
    errors: { type: string; log_id: string }[];
    end_user: EndUser | null;
    tags: Record<string, string>;
    /** What the app stored with the connection; see `getMetadata`. */
    metadata: Record<string, any> | null;
    /** What the user or the authorization told about the account: subdomain, region, tenant. */
    connection_config: Record<string, any>;
    webhook_url_override?: string | null;
    created_at: string;
    updated_at: string;
    last_fetched_at: string | null;
    credentials: Credentials;
}

export interface EndUser {
    id: string;
    display_name: string | null;
    email: string | null;
    tags: Record<string, string>;
    organization: { id: string; display_name: string | null } | null;
}

/** `type` tells them apart. */
export type Credentials =
    | OAuth2Credentials
    | OAuth2ClientCredentials
    | OAuth1Credentials
    | ApiKeyCredentials
    | BasicCredentials
    | AppCredentials
    | OtherCredentials;

type Raw = Record<string, any>;

export interface OAuth2Credentials {
    type: 'OAUTH2';
    access_token: string;
    /** Only when asked for with `refreshToken: true`. */
    refresh_token?: string;
    expires_at?: string | Date;
    config_override?: { client_id?: string; client_secret?: string };
    raw: Raw;
}

export interface OAuth2ClientCredentials {
    type: 'OAUTH2_CC';
    token: string;
    expires_at?: string | Date;
    client_id: string;
    client_secret: string;
    raw: Raw;
}

export interface OAuth1Credentials {
    type: 'OAUTH1';
    oauth_token: string;
    oauth_token_secret: string;
    raw: Raw;
}

export interface ApiKeyCredentials {
    type: 'API_KEY';
    apiKey: string;
}

export interface BasicCredentials {
    type: 'BASIC';
    username: string;
    password: string;
}

export interface AppCredentials {
    type: 'APP';
    access_token: string;
    expires_at?: string | Date;
    jwtToken?: string;
    raw: Raw;
}

/** The rarer ways in; their fields are those the provider's catalogue entry declares. */
export interface OtherCredentials {
    type: 'TWO_STEP' | 'JWT' | 'TBA' | 'CUSTOM' | 'BILL' | 'SIGNATURE' | 'AWS_SIGV4' | 'INSTALL_PLUGIN' | 'NONE';
    [field: string]: any;
}

export interface Integration {
    unique_key: string;
    provider: string;
    display_name: string;
    logo: string;
    forward_webhooks: boolean;
    created_at: string;
    updated_at: string;
    /** With `include: ['webhook']`. */
    webhook_url?: string | null;
    /** With `include: ['credentials']`: those of the app, not of a connection. */
    credentials?: { type: string; [field: string]: unknown } | null;
}

export interface GetConnectionOptions {
    /** Include the refresh token in the credentials. */
    refreshToken?: boolean | undefined;
    /** Get a new access token even if the present one is still good. */
    forceRefresh?: boolean | undefined;
    refreshGithubAppJwtToken?: boolean | undefined;
}
