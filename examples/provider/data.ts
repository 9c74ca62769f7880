/**
 * What a customer of the example CRM has in it: made from a seed, then changed in rounds.
 * The same seed and the same calls give the same data to the last byte, timestamps included.
 */

export interface Contact {
    id: string;
    name: string;
    email: string;
    title: string;
    company_id: string;
    updated_at: string;
    /** Contacts stay listed after they are deleted, so that incremental readers learn of it. */
    deleted: boolean;
}

export interface Company {
    id: string;
    name: string;
    domain: string;
    employees: number;
    updated_at: string;
}

export interface Ticket {
    id: string;
    subject: string;
    status: string;
    contact_id: string;
    updated_at: string;
}

/** The ids that one round touched. No id is in more than one list. */
export interface Changes {
    created: string[];
    updated: string[];
    deleted: string[];
}

const FIRST = ['Ada', 'Bela', 'Chidi', 'Dora', 'Emre', 'Fatima', 'Goran', 'Hana', 'Ines', 'Jonas'];
const LAST = ['Abe', 'Berg', 'Costa', 'Diaz', 'Evans', 'Fall', 'Gruber', 'Hoang', 'Ito', 'Jansen'];
const TRADE = ['Bakery', 'Foundry', 'Logistics', 'Optics', 'Press', 'Robotics', 'Textiles', 'Winery'];
const TITLE = ['Buyer', 'Engineer', 'Manager', 'Director'];
const TOPIC = ['Invoice is wrong', 'Cannot log in', 'Where is my order?', 'Please call back'];
const STATUS = ['open', 'pending', 'solved'];

/** Mulberry32: small, and the same everywhere, which Math.random is not. */
function seeded(seed: number): () => number {
    return () => {
        seed = (seed + 0x6d2b79f5) | 0;
        let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
}

function next<T>(list: readonly T[], current: T): T {
    return list[(list.indexOf(current) + 1) % list.length]!;
}

export class Customer {
    readonly contacts = new Map<string, Contact>();
    readonly companies = new Map<string, Company>();
    readonly tickets = new Map<string, Ticket>();
    requests = 0;
    rateLimited = 0;
    rounds = 0;
    private made = 0;
    private clock = Date.UTC(2026, 0, 1);
    private readonly random: () => number;

    constructor(seed: number, size: number) {
        this.random = seeded(seed);
        for (let i = 0; i < size / 4; i++) this.createCompany();
        for (let i = 0; i < size; i++) this.createContact();
        for (let i = 0; i < size / 2; i++) this.createTicket();
    }

    /** One round of everyday life, and exactly what it did. */
    change(): Record<'contacts' | 'companies' | 'tickets', Changes> {
        this.rounds++;
        return {
            companies: this.changeSome(this.companies, 1, () => this.createCompany(), (id) => this.editCompany(id), (id) => this.companies.delete(id)),
            contacts: this.changeSome(this.liveContacts(), 3, () => this.createContact(), (id) => this.editContact(id), (id) => this.deleteContact(id)),
            tickets: this.changeSome(this.tickets, 2, () => this.createTicket(), (id) => this.editTicket(id), (id) => this.tickets.delete(id))
        };
    }

    liveContacts(): Map<string, Contact> {
        return new Map([...this.contacts].filter(([, contact]) => !contact.deleted));
    }

    editTicket(id: string): Ticket {
        const ticket = this.tickets.get(id)!;
        Object.assign(ticket, { status: next(STATUS, ticket.status), updated_at: this.tick() });
        return ticket;
    }

    private changeSome(from: Map<string, unknown>, few: number, create: () => string, edit: (id: string) => void, remove: (id: string) => void): Changes {
        const ids = [...from.keys()];
        const draw = () => ids.splice(Math.floor(this.random() * ids.length), 1);
        const some = (count: number) => Array.from({ length: Math.min(count, ids.length) }, draw).flat();

        const changes = { updated: some(2 * few), deleted: some(few), created: Array.from({ length: few + 1 }, create) };
        changes.updated.forEach(edit);
        changes.deleted.forEach(remove);
        return changes;
    }

    private createContact(): string {
        const id = this.nextId('con');
        const name = `${this.pick(FIRST)} ${this.pick(LAST)}`;
        this.contacts.set(id, {
            id,
            name,
            email: `${name.toLowerCase().replace(' ', '.')}.${id.slice(4)}@example.com`,
            title: this.pick(TITLE),
            company_id: this.pick([...this.companies.keys()]),
            updated_at: this.tick(),
            deleted: false
        });
        return id;
    }

    private editContact(id: string): void {
        const contact = this.contacts.get(id)!;
        Object.assign(contact, { title: next(TITLE, contact.title), updated_at: this.tick() });
    }

    private deleteContact(id: string): void {
        Object.assign(this.contacts.get(id)!, { deleted: true, updated_at: this.tick() });
    }

    private createCompany(): string {
        const id = this.nextId('com');
        const name = `${this.pick(LAST)} ${this.pick(TRADE)}`;
        this.companies.set(id, {
            id,
            name,
            domain: `${name.toLowerCase().replace(' ', '-')}.example`,
            employees: 1 + Math.floor(this.random() * 500),
            updated_at: this.tick()
        });
        return id;
    }

    private editCompany(id: string): void {
        const company = this.companies.get(id)!;
        Object.assign(company, { employees: company.employees + 1, updated_at: this.tick() });
    }

    private createTicket(): string {
        const id = this.nextId('tic');
        this.tickets.set(id, {
            id,
            subject: this.pick(TOPIC),
            status: 'open',
            contact_id: this.pick([...this.contacts.keys()]),
            updated_at: this.tick()
        });
        return id;
    }

    /** Every change gets its own second, so that `updated_at` puts all of them in order. */
    private tick(): string {
        this.clock += 1000;
        return new Date(this.clock).toISOString();
    }

    private nextId(prefix: string): string {
        return `${prefix}_${String(++this.made).padStart(5, '0')}`;
    }

    private pick<T>(list: readonly T[]): T {
        return list[Math.floor(this.random() * list.length)]!;
    }
}
