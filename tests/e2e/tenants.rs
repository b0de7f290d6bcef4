//! Two tenants with the same numbers never meet.

use crate::server::Server;
use crate::sipp::{Scenario, free_port};

#[test]
fn two_tenants_with_the_same_number_never_cross() {
    let server = Server::start();
    let acme = server.create_tenant("Acme", "acme.example");
    let zenith = server.create_tenant("Zenith", "zenith.example");
    let mut ports = Vec::new();
    for (tenant, domain) in [(&acme, "acme.example"), (&zenith, "zenith.example")] {
        for number in ["201", "202"] {
            let login = server.create_extension(tenant, number);
            let port = free_port();
            ports.push((domain, number, port, login));
        }
    }
    for (domain, number, port, login) in &ports {
        server_knows(&server, domain, number, *port, login);
    }
    let callee = |domain: &str, number: &str| ports.iter().find(|row| row.0 == domain && row.1 == number).unwrap();
    let (_, _, port, login) = callee("zenith.example", "202");
    let theirs = Scenario::new("answer", &server, "202").domain("zenith.example").at(*port).login(login).start();
    let (_, _, _, caller) = callee("zenith.example", "201");
    Scenario::new("call", &server, "201")
        .domain("zenith.example")
        .login(caller)
        .to("202")
        .word("  <nop><action><exec rtp_stream=\"VOICE,-1,0\"/></action></nop>\n", "")
        .word("TALK", "300")
        .run();
    theirs.succeeds();
    // The other tenant's credentials open nothing here.
    let (_, _, _, stranger) = callee("acme.example", "201");
    Scenario::new("refused", &server, "201")
        .domain("zenith.example")
        .login(stranger)
        .to("202")
        .word("EXPECTED", "407")
        .run();
    let records = server.json(&["cdr", "list", "--tenant", &zenith]);
    assert_eq!(records.as_array().unwrap().len(), 1);
    assert_eq!(server.json(&["cdr", "list", "--tenant", &acme]).as_array().unwrap().len(), 0);
    assert_eq!(server.json(&["registration", "list", "--tenant", &acme]).as_array().unwrap().len(), 2);
}

/// Registers as soon as the server has heard of the extension: within a second of its creation.
fn server_knows(server: &Server, domain: &str, number: &str, port: u16, login: &crate::server::Login) {
    std::thread::sleep(std::time::Duration::from_secs(1));
    Scenario::new("register", server, number).domain(domain).at(port).login(login).word("EXPECTED", "200").run();
}

#[test]
fn where_devices_log_in_a_number_does_not() {
    let server = Server::start();
    let tenant = server.create_tenant("Devices", "devices.example");
    server.json(&["tenant", "update", &tenant, "--sip-login", "device"]);
    let chosen = server.command(&["extension", "create", "--tenant", &tenant, "201", "--password", "chosen-by-me"]);
    assert_eq!(chosen.status.code(), Some(2), "a chosen password is refused");
    let device = server.create_extension(&tenant, "201");
    assert!(device.username.len() == 36 && device.password.len() >= 20, "{}", device.username);
    let number = crate::server::Login { username: "201".to_owned(), ..device.clone() };
    let register = |login, expected| {
        Scenario::new("register", &server, "201")
            .domain("devices.example")
            .login(login)
            .word("EXPECTED", expected)
            .run();
    };
    std::thread::sleep(std::time::Duration::from_secs(1));
    register(&number, "401");
    register(&device, "200");
}
