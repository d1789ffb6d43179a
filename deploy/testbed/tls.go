package testbed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// CertPool trusts the authority that signed the servers' certificates.
func CertPool(t testing.TB) *x509.CertPool {
	t.Helper()
	return testCA(t).pool
}

// CertFile is the authority's certificate in PEM, as for SSL_CERT_FILE.
func CertFile(t testing.TB) string {
	t.Helper()
	return testCA(t).certFile
}

// ServerTLS is the configuration of a server on 127.0.0.1 or localhost.
func ServerTLS(t testing.TB) *tls.Config {
	t.Helper()
	ca := testCA(t)
	cert, err := tls.LoadX509KeyPair(ca.serverCert, ca.serverKey)
	must(t, "certificate", err)
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
}

// ca is made once a test process and trusted by nobody else.
type ca struct {
	pool                  *x509.CertPool
	certFile              string
	serverCert, serverKey string // files
}

func testCA(t testing.TB) *ca {
	t.Helper()
	ca, err := makeCA()
	must(t, "certificates", err)
	return ca
}

var makeCA = sync.OnceValues(func() (*ca, error) {
	dir, err := newDir("tls")
	if err != nil {
		return nil, err
	}
	c := &ca{
		pool:       x509.NewCertPool(),
		certFile:   filepath.Join(dir, "ca.pem"),
		serverCert: filepath.Join(dir, "server.pem"),
		serverKey:  filepath.Join(dir, "server.key"),
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	caCert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "GroupMail test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, caCert, caCert, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: caCert.NotBefore, NotAfter: caCert.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certDER, err := x509.CreateCertificate(rand.Reader, cert, caCert, key.Public(), caKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		path, kind string
		der        []byte
	}{
		{c.certFile, "CERTIFICATE", caDER},
		{c.serverCert, "CERTIFICATE", certDER},
		{c.serverKey, "PRIVATE KEY", keyDER},
	} {
		if err := os.WriteFile(f.path, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			return nil, err
		}
		if err := own(f.path); err != nil {
			return nil, err
		}
	}
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		return nil, err
	}
	c.pool.AddCert(parsed)
	return c, nil
})

func tlsListener(l net.Listener, config *tls.Config) net.Listener { return tls.NewListener(l, config) }

// netConn is the connection below TLS.
func netConn(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}
