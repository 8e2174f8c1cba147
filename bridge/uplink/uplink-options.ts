/** Confined clients that are nevertheless allowed to use the existing bus. */
export interface ConfinedGrant {
  /** `uid:1000`, `flatpak:com.example.App`, `snap:firefox`, `root:/srv/jail`; `snap:*` and the like; or `*` */
  readonly client: string;
  /** patterns of the names that they may reach, own and listen to */
  readonly names: readonly string[];
}

/** How a bridge is attached to an existing bus; plain data. */
export interface UplinkOptions {
  /** D-Bus address of the existing bus */
  readonly address: string;
  /** patterns of names that are owned there and reachable here */
  readonly imports: readonly string[];
  /** patterns of names that are owned here and reachable there */
  readonly exports: readonly string[];
  readonly grants: readonly ConfinedGrant[];
}
