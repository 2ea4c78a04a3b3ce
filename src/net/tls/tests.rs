use super::*;

#[test]
fn a_fingerprint_may_look_as_tools_print_it() {
    let plain = "d5e311ca3cbdc629adaa7596cdeddb5c40851e85b095e8679bcc6e794803ac9d";
    let colons: Vec<&str> = plain.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap()).collect();
    let colons = colons.join(":").to_uppercase();
    for form in [plain.to_owned(), plain.to_uppercase(), colons.clone(), format!("SHA256 Fingerprint={colons}")] {
        assert_eq!(fingerprint(&form).as_deref(), Some(plain), "{form}");
    }
    for form in ["", "abc", &plain[1..], &format!("{plain}0"), &plain.replace('d', "g")] {
        assert_eq!(fingerprint(form), None, "{form}");
    }
}

#[test]
fn names_are_those_of_certificates() {
    for name in ["example.org", "example.org.", "192.0.2.1", "2001:db8::1", "localhost"] {
        assert!(server_name(name).is_ok(), "{name}");
    }
    for name in ["", "a b", "bücher.example", "."] {
        assert_eq!(server_name(name).unwrap_err().exit, Exit::Usage, "{name}");
    }
}

#[test]
fn a_made_certificate_is_good_now_and_for_a_year() {
    let (chain, _) = self_signed(Some("made.example")).unwrap();
    let read = certificate::read(&chain[0]);
    assert!((363..=365).contains(&read.days_left), "{read:?}");
    assert!(read.not_before < std::time::SystemTime::now());
    assert!(read.names.iter().any(|name| name == "made.example") && read.names.iter().any(|name| name == "::1"));
}
