// The package brings no types of its own.
declare module 'oidc-provider' {
    export const Provider: any;
    export type Provider = any;
}
